"""The links of the Devices page to its orders, page sizes and neighbouring pages."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest

from dashboard.pages.devices.page import PAGE_SIZES, Listing
from dashboard.pages.devices.query import Query
from dashboard.pages.parts.address import address, beside
from dashboard.pages.parts.sort_links import Choice, Sort, sort_head, sort_menu
from devices.listing.cursor import ORDERS

SORT_NAMES = {
    "attention": "Needs attention",
    "name": "Name",
    "contact": "Last contact",
    "release": "Release",
}


@dataclass(frozen=True)
class Links:
    sorts: list[Choice]
    sizes: list[Choice]
    heads: dict[str, Sort]
    previous: str | None
    next: str | None
    count: str | None  # the address of the counts, if the page is shown before they are counted

    @property
    def sort(self) -> Choice:
        return next(choice for choice in self.sorts if choice.chosen)


def list_links(request: HttpRequest, query: Query, found: Listing) -> Links:
    """All links of this page; those that change order or size lead to the first page."""
    previous, after = beside(request, found)
    return Links(
        sorts=sort_menu(request, SORT_NAMES, query.sort),
        sizes=[
            Choice(
                f"{size} per page",
                address(request, per_page=None if size == PAGE_SIZES[0] else str(size)),
                query.size == size,
            )
            for size in PAGE_SIZES
        ],
        heads={name: sort_head(request, name, query.sort) for name in ORDERS},
        previous=previous,
        next=after,
        count=address(request, facets="1") if found.counts is None else None,
    )
