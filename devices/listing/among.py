"""The scope of a reading of devices that need attention."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.db.models import QuerySet

from devices.listing.filters import Filters, in_organizations, unchanging
from devices.models import Device
from fleets.models import Organization
from fleets.postgres.fragment import Fragment, compiled

EVERYTHING: Final = Filters()


@dataclass(frozen=True)
class Among:
    """The scope of a reading: the devices of organizations that match filters by fleet and tag alone."""

    organizations: Sequence[Organization]
    filters: Filters = EVERYTHING

    @property
    def devices(self) -> QuerySet[Device]:
        """The devices in scope, in any status."""
        return unchanging(in_organizations(self.organizations), self.filters)

    @property
    def counted(self) -> bool:
        """Whether the scope is whole organizations or fleets, whose counters tell how many need attention."""
        return self.filters == Filters(fleets=self.filters.fleets)

    @property
    def recorded(self) -> Fragment:
        """The devices in scope as a condition on `d`."""
        if not self.counted:
            sql, params = compiled(self.devices.order_by().values("pk"))
            return f"d.id IN ({sql})", params
        column, scope = self.whole
        return f"d.{column}_id = ANY(%s)", [scope]

    @property
    def whole(self) -> tuple[str, list[int]]:
        """Where the scope is `counted`: whether it is fleets or organizations, and their ids."""
        if fleets := [fleet.pk for fleet in self.filters.fleets]:
            return "fleet", fleets
        return "organization", [organization.pk for organization in self.organizations]
