"""The Devices page, or the page of a fleet, as of a past minute, with the difference to the present."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from dashboard.http.scope import Scope
from dashboard.pages.devices.query import Query
from dashboard.pages.devices.row_as_of import rows_as_of
from dashboard.pages.parts.address import beside
from dashboard.pages.parts.cursor import requested_page
from dashboard.pages.parts.differences import differences
from dashboard.pages.parts.filter_form import filter_form
from dashboard.pages.parts.minute import as_of
from dashboard.pages.parts.over_time_links import picture
from dashboard.pages.parts.sort_links import Choice, sort_menu
from devices import words
from devices.clock import Moment
from devices.history import counts_as_of
from devices.listing.facet_counts import facets
from devices.listing.filters import Filters, described
from devices.listing.list_as_of import PORTIONS, ListAsOf
from devices.status.reading import moved_ids
from fleets.models import Fleet
from fleets.postgres.keyset import Page

KEPT = ("org", "sort", "per_page", "range", "at", "view")  # parameters that the form of the filters passes on
ORDERS = {"attention": "Needs attention", "name": "Name"}


def devices_page_as_of(
    request: HttpRequest,
    scope: Scope,
    query: Query,
    fleets: Sequence[Fleet],
    fleet: Fleet | None,
    at: Moment,
    now: Moment,
) -> HttpResponse:
    """The page as of `at`, which neither refreshes nor has actions."""
    instant = counts_as_of.instant(at, now)
    list_as_of_ = ListAsOf(scope.chosen, query.filters, instant)
    sort = _sort(query, list_as_of_)
    found = _page(request, list_as_of_, query, sort)
    rows = rows_as_of(found.rows, instant)
    _note_filters_without_history(query)
    previous, after = beside(request, found)
    context = as_of(request, at, now) | {
        "nav": "fleets" if fleet else "devices",
        "scope": scope,
        "fleet": fleet,
        "query": query,
        "filtered": query.filters != Filters(fleets=(fleet,) if fleet else ()),
        "rows": rows,
        "facets": _facets(list_as_of_, scope, now),
        "sorts": _sorts(request, sort, list_as_of_),
        "picture": picture(request, scope.chosen, now, fleet) if fleet else None,
        "previous": previous,
        "next": after,
        "form": filter_form(request, query.filters, fleets, KEPT, fleet),
    }
    return render(request, "devices/as_of.html", context)


def _sort(query: Query, list_as_of_: ListAsOf) -> str:
    """The order of the list: by attention or by name, and only by name if the list is long."""
    name = query.sort.removeprefix("-")
    if name == "name" or (name in ORDERS and list_as_of_.is_short):
        return query.sort
    if name in ORDERS:
        query.notices.append("This list is long, so at a past time it can only be sorted by name.")
    else:
        query.notices.append("A past time cannot be sorted in this way. The devices are sorted by name.")
    return "name"


def _page(request: HttpRequest, list_as_of_: ListAsOf, query: Query, sort: str) -> Page[Any]:
    """The requested page; a notice tells if the search for its rows ended before the page was full."""
    found = requested_page(request, query.notices, partial(list_as_of_.page, sort, query.size))
    continues = found.previous if query.before else found.next
    if continues and not found.past_end and len(found.rows) < query.size:
        query.notices.append(
            f"A page searches {words.thousands(sum(PORTIONS))} devices, and few of them match."
            " Go to the next page, or choose fewer devices."
        )
    return found


def _note_filters_without_history(query: Query) -> None:
    """Add notices about filters whose past values are not stored."""
    if described(query.filters):
        query.notices.append(
            "Tags, types, versions, releases and search words have no history. Their present values are used,"
            " and devices that were deleted since are not shown."
        )
    if query.filters.silent is not None:
        query.notices.append("There is no history of how long a device was silent. That filter was ignored.")
    if "overdue" in query.filters.heartbeat:
        query.notices.append("There is no history of overdue polls. They count as on time.")


def _facets(list_as_of_: ListAsOf, scope: Scope, now: Moment) -> Any:
    """The counts by status as of the instant, beside the present ones; None if they cannot be counted."""
    counts = list_as_of_.counts()
    if counts is None:
        return None
    return differences(counts, facets(scope.chosen, list_as_of_.filters, now, moved_ids(now)))


def _sorts(request: HttpRequest, sort: str, list_as_of_: ListAsOf) -> list[Choice]:
    return sort_menu(request, ORDERS if list_as_of_.is_short else {"name": ORDERS["name"]}, sort)
