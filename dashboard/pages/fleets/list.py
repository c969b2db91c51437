"""The Fleets page: the state of all chosen organizations, a row per fleet, and the latest changes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_safe

from dashboard.http.scope import Scope, request_scope, signed_in
from dashboard.live.region import Live, live_page, on_screen
from dashboard.live.request_moment import moment_of
from dashboard.live.response_cache import cached_response
from dashboard.pages.fleets.as_of import fleets_page_as_of
from dashboard.pages.fleets.links import fleet_heads, fleet_sorts
from dashboard.pages.fleets.summary import FleetRow, Overview, overview, rows
from dashboard.pages.parts.address import address, beside
from dashboard.pages.parts.cursor import requested_page
from dashboard.pages.parts.minute import fault_words, minute_form, read_minute
from dashboard.pages.parts.over_time_links import Picture, picture
from dashboard.pages.parts.sort_links import Choice, Sort
from devices.clock import Moment
from devices.listing.fleets import SORTS, order_named, summaries, summaries_of, uncounted
from devices.words import of_site
from fleets.models import Organization
from fleets.postgres.text_search import LONGEST
from fleets.text import kept, short

PER_PAGE = 25


@dataclass(frozen=True)
class LiveFleets(Live):
    """The live region of the page; `moved`: a reload would show other rows or another order."""

    found: Overview
    picture: Picture
    trouble: bool
    rows: list[FleetRow]
    moved: bool
    text: str
    heads: dict[str, Sort]
    sorts: list[Choice]
    clear: str
    previous: str | None
    next: str | None
    administered: list[Organization]


@require_safe
@signed_in
@cached_response(lambda request: ())
def fleets(request: HttpRequest) -> HttpResponse:
    """The page, or the page as of the minute in `?at=`."""
    at, scope = moment_of(request), request_scope(request)
    minute = read_minute(request, at.at)
    if minute.canonical:
        return HttpResponseRedirect(minute.canonical)
    notices = fault_words(minute.fault)
    sort, text = _sort(request, notices), kept(request.GET.get("q", "")).strip()[:LONGEST]
    if minute.at:
        return fleets_page_as_of(request, scope, text, sort, notices, minute.at, at)
    live = _live(request, scope, text, sort, notices, at)
    around = {"nav": "fleets", "notices": notices, "minute": minute_form(request, at.at)}
    return live_page(request, "fleets/list.html", live, at=at, **around)


def _live(
    request: HttpRequest, scope: Scope, text: str, sort: str, notices: list[str], at: Moment
) -> LiveFleets:
    lacking = uncounted(scope.chosen, at)
    read = partial(summaries, scope.chosen, text, order_named(sort), PER_PAGE, at, lacking)
    fresh, wanted = requested_page(request, notices, read), on_screen(request)
    moved = bool(wanted) and wanted != [row.slug for row in fresh.rows]
    pinned = summaries_of(scope.chosen, wanted, at, lacking) if moved else fresh.rows
    found = overview(scope.chosen, at, lacking)
    previous, after = beside(request, fresh)
    return LiveFleets(
        scope=scope,
        found=found,
        picture=picture(request, scope.chosen, at),
        trouble=found.attention > 0,
        rows=rows(pinned, at, lacking),
        moved=moved,
        text=text,
        heads=fleet_heads(request, sort),
        sorts=fleet_sorts(request, sort),
        clear=address(request, q=None),
        previous=previous,
        next=after,
        administered=scope.administered,
    )


def _sort(request: HttpRequest, notices: list[str]) -> str:
    sort = request.GET.get("sort") or "attention"
    if sort.removeprefix("-") in SORTS:
        return sort
    notices.append(
        of_site("There is no sort order “{sort}”. {Fleets} that need attention come first.", sort=short(sort))
    )
    return "attention"
