"""What the devices of an incident share, by the words and queries of the lines that need attention."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Final

from django.db.models import Exists, OuterRef, Q, QuerySet

from devices.alerts.lifecycle import FOUND
from devices.listing import grouping, newest_recorded
from devices.listing.filters import Filters, Tag, unchanging
from devices.listing.grouping import Line
from devices.listing.line_shares import MANY, Shared, shared, totals
from devices.listing.sessions import TOGETHER
from devices.models import Device, Incident, Outage
from fleets.models import Fleet


def _of_release(devices: QuerySet[Device], key: str) -> QuerySet[Device]:
    fleet, _, release = key.partition(" ")
    return devices.filter(fleet_id=int(fleet), release=release)


def _tagged(devices: QuerySet[Device], key: str) -> QuerySet[Device]:
    name, _, value = key.partition("=")
    return unchanging(devices, Filters(tags=(Tag(name, value),)))


# The devices that share what the key of a cause says, by its kind.
SHARES: Final[dict[int, Callable[[QuerySet[Device], str], QuerySet[Device]]]] = {
    grouping.SERVER: lambda devices, key: devices.filter(vpn_server_id=int(key)),
    grouping.ADDRESS: lambda devices, key: devices.filter(public_address=key),
    grouping.RELEASE: _of_release,
    grouping.TAG: _tagged,
    grouping.FLEET: lambda devices, key: devices.filter(fleet_id=int(key)),
}
OF_A_FLEET = (grouping.FLEET, grouping.RELEASE, grouping.WHOLE_FLEET)


@dataclass(frozen=True)
class Cause:
    """The cause of an incident of several devices, looked up."""

    incident: Incident

    @cached_property
    def line(self) -> Line:
        """The incident as a line, without its devices."""
        incident = self.incident
        kind = grouping.FLEET if incident.kind == grouping.WHOLE_FLEET else incident.kind
        return Line(
            id=str(incident.uuid),
            kind=kind,
            key=incident.key,
            what=incident.what,
            rank=incident.rank,
            newest=incident.last,
            first=incident.first,
            last=incident.last,
            numbers=(0, 0, 0, 0),
            lost=(),
        )

    @cached_property
    def share(self) -> Shared | None:
        """What they share; None: one device alone, or something that was deleted."""
        if self.incident.kind == grouping.ALONE:
            return None
        fleets = {}
        if self.incident.kind in OF_A_FLEET:
            fleets = Fleet.objects.in_bulk([int(self.incident.key.split()[0])])
        return shared([self.line], self._devices, fleets).get(self.line.id)

    @property
    def place(self) -> str:
        """{devices} with what they share, in words."""
        return self.share.place if self.share else "{devices}"

    def of(self, at: datetime) -> int | None:
        """How many devices share it; None: very many, or one."""
        if self.share is None:
            return None
        total = totals([self.line], self._devices, {self.line.id: self.share}, at).get(self.line.id, 0)
        return max(total, self.incident.now, self.incident.at_most) if total <= MANY else None

    @property
    def lost(self) -> QuerySet[Device]:
        """The devices that share it and were lost at its moment, members or not."""
        line = self.line
        if line.kind not in SHARES:
            return Device.objects.none()
        start = line.last - TOGETHER
        # By the index of what changed last: no status of these is older than the loss.
        changed = self._devices.filter(recorded_cell__in=newest_recorded.TROUBLE, recorded_since__gte=start)
        sharing = SHARES[line.kind](changed, line.key)
        if line.what not in grouping.LINK_OF_VPN:
            return sharing.filter(recorded_since__range=(start, line.last))
        lost_at = OuterRef("vpn_changed_at")
        told_after = Outage.objects.filter(ended_at__lte=lost_at, ended_at__gt=lost_at - FOUND)
        unseen = Exists(told_after.filter(began_at__range=(start, line.last)))
        return sharing.filter(Q(vpn_changed_at__range=(start, line.last)) | unseen)

    @property
    def _devices(self) -> QuerySet[Device]:
        return Device.objects.filter(organization=self.incident.organization_id)
