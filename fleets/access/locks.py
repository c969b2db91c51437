"""The lock on organizations, taken before any other by changes of their devices, members, keys or plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleets.models import Organization

if TYPE_CHECKING:
    from collections.abc import Iterable


def hold(organizations: Iterable[int]) -> None:
    """Lock the organizations with these primary keys, in their order, until the end of the transaction."""
    if ids := set(organizations):
        rows = Organization.objects.select_for_update(no_key=True).filter(pk__in=ids)
        list(rows.order_by("pk").values_list("pk", flat=True))
