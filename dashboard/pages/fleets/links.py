"""The links by which the list of fleets is sorted."""

from __future__ import annotations

from django.http import HttpRequest

from dashboard.pages.parts.sort_links import Choice, Sort, sort_head, sort_menu

FLEET_SORT_NAMES = {
    "attention": "Needs attention",
    "name": "Name",
    "devices": "Device count",
    "change": "Last change",
}


def fleet_sorts(request: HttpRequest, sort: str) -> list[Choice]:
    """The menu of orders of the Fleets page."""
    return sort_menu(request, FLEET_SORT_NAMES, sort)


def fleet_heads(request: HttpRequest, sort: str) -> dict[str, Sort]:
    """The column heads of the Fleets page, by the name of the order that each sorts by."""
    return {name: sort_head(request, name, sort) for name in FLEET_SORT_NAMES}
