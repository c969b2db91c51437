"""The query of a Devices page; unknown parts of it are ignored, with a notice for each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.http import HttpRequest, QueryDict

from dashboard.http.scope import person
from dashboard.live.region import on_screen
from dashboard.pages.devices.columns import ALWAYS, DEFAULT, MOST, WORDS, chosen
from dashboard.pages.devices.page import PAGE_SIZES
from dashboard.pages.parts.address import address
from devices.listing.cursor import ORDERS
from devices.listing.filters import Filters
from devices.listing.query_string import filters_in
from devices.models import UUID_PATTERN
from fleets.models import Fleet, Organization
from fleets.text import short


@dataclass
class Query:
    """A parsed query of a Devices page."""

    filters: Filters
    sort: str
    size: int
    after: str
    before: str
    columns: tuple[str, ...] = DEFAULT
    notices: list[str] = field(default_factory=list)


def parse(request: HttpRequest, organizations: Sequence[Organization], fleet: Fleet | None = None) -> Query:
    """Parse the query of a list of these organizations, or of one fleet on its own page."""
    notices: list[str] = []
    return Query(
        filters_in(request.GET, organizations, notices, fleet=fleet),
        sort=_sort(request.GET, notices),
        size=_size(request.GET, notices),
        after=request.GET.get("after", ""),
        before=request.GET.get("before", ""),
        columns=_columns(request, notices),
        notices=notices,
    )


def _sort(query: QueryDict, notices: list[str]) -> str:
    sort = query.get("sort") or "attention"
    if sort.removeprefix("-") in ORDERS:
        return sort
    notices.append(f"There is no sort order “{short(sort)}”. Devices that need attention come first.")
    return "attention"


def _size(query: QueryDict, notices: list[str]) -> int:
    size = query.get("per_page") or str(PAGE_SIZES[0])
    if size in map(str, PAGE_SIZES):
        return int(size)
    notices.append(f"“{short(size)}” is not a page size. Known sizes: {', '.join(map(str, PAGE_SIZES))}.")
    return PAGE_SIZES[0]


def _columns(request: HttpRequest, notices: list[str]) -> tuple[str, ...]:
    """The columns in the address, else those the person chose for all lists, else the default ones."""
    columns = [name for name in request.GET.getlist("columns") if name]
    if not columns:
        return chosen(person(request).list_columns) or DEFAULT
    notices += [
        f"There is no column “{short(name)}”. It was ignored."
        for name in columns
        if name not in WORDS and name != ALWAYS
    ]
    if len({*columns} & {*WORDS}) > MOST:
        notices.append(f"A list has up to {MOST} columns beside name and status. The first {MOST} are shown.")
    return chosen(columns)


def uuids_on_screen(request: HttpRequest) -> list[str]:
    """The UUIDs of the rows that the page shows, in order; anything that is no UUID is dropped."""
    return [uuid for uuid in on_screen(request) if re.fullmatch(UUID_PATTERN, uuid)]


def list_query(request: HttpRequest, fleet: Fleet | None = None) -> str:
    """The query with which the list of all devices, its exports and its actions have this page's devices."""
    query = address(request, **({"fleet": fleet.slug} if fleet else {}))
    return query.removeprefix(request.path)
