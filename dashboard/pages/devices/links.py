"""The links of the lists: every filter, order and page is an address of its own."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest

from dashboard.pages.devices.page import PAGE_SIZES, Listing
from dashboard.pages.devices.query import Query, address
from devices.listing.cursor import ORDERS

FLEET_SORT_NAMES = {
    "attention": "Needs attention",
    "name": "Name",
    "devices": "Device count",
    "change": "Last change",
}
SORT_NAMES = {
    "attention": "Needs attention",
    "name": "Name",
    "contact": "Last contact",
    "release": "Release",
}


@dataclass(frozen=True)
class Choice:
    """One entry of a menu: its words, its address, and whether it is in force."""

    words: str
    address: str
    chosen: bool


@dataclass(frozen=True)
class Sort:
    """A column head: its address, and how the list stands by it now ("ascending", "descending" or "none")."""

    address: str
    state: str


@dataclass(frozen=True)
class Links:
    sorts: list[Choice]
    sizes: list[Choice]
    heads: dict[str, Sort]
    previous: str | None
    next: str | None
    count: str | None  # where the counts come from that the page is not made to wait for

    @property
    def sort(self) -> Choice:
        return next(choice for choice in self.sorts if choice.chosen)


def list_links(request: HttpRequest, asked: Query, found: Listing) -> Links:
    """All links of this page; each begins a list at its first page, but for those between pages."""
    return Links(
        sorts=_sorts(request, SORT_NAMES, asked.sort),
        sizes=[
            Choice(
                f"{size} per page",
                address(request, per_page=_default(str(size), str(PAGE_SIZES[0]))),
                asked.size == size,
            )
            for size in PAGE_SIZES
        ],
        heads={name: _head(request, name, asked.sort) for name in ORDERS},
        previous=address(request, before=found.previous) if found.previous else None,
        next=address(request, after=found.next) if found.next else None,
        count=address(request, facets="1") if found.counts is None else None,
    )


def _default(value: str, default: str) -> str | None:
    return None if value == default else value


def _sorts(request: HttpRequest, names: dict[str, str], sort: str) -> list[Choice]:
    return [
        Choice(
            words,
            address(request, sort=_default(name, "attention")),
            sort.removeprefix("-") == name,
        )
        for name, words in names.items()
    ]


def _head(request: HttpRequest, name: str, sort: str) -> Sort:
    """The head of a column: the first press sorts by it, the next one turns it around."""
    backwards = sort.startswith("-")
    if sort.removeprefix("-") != name:
        return Sort(address(request, sort=_default(name, "attention")), "none")
    # Most, newest or worst first is the natural way of these, and reads downwards.
    falls = (name in ("contact", "attention", "devices", "change")) != backwards
    turned = name if backwards else f"-{name}"
    return Sort(address(request, sort=_default(turned, "attention")), "descending" if falls else "ascending")


def fleet_sorts(request: HttpRequest, sort: str) -> list[Choice]:
    """The menu of orders of the Fleets page."""
    return _sorts(request, FLEET_SORT_NAMES, sort)


def fleet_heads(request: HttpRequest, sort: str) -> dict[str, Sort]:
    """The column heads of the Fleets page by the name of their order."""
    return {name: _head(request, name, sort) for name in FLEET_SORT_NAMES}
