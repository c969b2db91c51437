"""The first lock of whoever changes what an organization's devices, members or keys depend on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fleets.models import Organization

if TYPE_CHECKING:
    from collections.abc import Iterable


def hold(organizations: Iterable[int]) -> None:
    """Lock these organizations, in the order of their ids, until the end of the transaction."""
    if wanted := set(organizations):
        held = Organization.objects.select_for_update(no_key=True).filter(pk__in=wanted)
        list(held.order_by("pk").values_list("pk", flat=True))
