"""The picture of a fleet or of organizations over time, with the links around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.http import HttpRequest

from dashboard.pages.parts.address import address
from dashboard.pages.parts.chart import RANGES
from dashboard.pages.parts.over_time import OverTime, over_time, range_named
from dashboard.pages.parts.sort_links import Choice
from devices.clock import Moment
from fleets.models import Fleet, Organization


@dataclass(frozen=True)
class Picture:
    """The picture and the menu of ranges; `as_of` is the address to which a moment is appended."""

    shown: OverTime
    ranges: list[Choice]
    as_of: str


def picture(
    request: HttpRequest, organizations: Sequence[Organization], at: Moment, fleet: Fleet | None = None
) -> Picture:
    """The picture of the range in `?range=`, or of a day if it names none."""
    chosen = range_named(request.GET.get("range", ""))
    ranges = [
        Choice(item.words, address(request, range=None if item.name == "24h" else item.name), item == chosen)
        for item in RANGES.values()
    ]
    query = address(request, at=None, range=None)
    as_of = f"{query}&at=" if query.startswith("?") else "?at="
    return Picture(over_time(organizations, chosen, at, fleet), ranges, as_of)
