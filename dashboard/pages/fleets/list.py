"""The Fleets page: how everything is, and where to look first."""

from __future__ import annotations

from functools import partial

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_safe

from dashboard.http.scope import scope, signed_in
from dashboard.live.region import live_page, on_screen
from dashboard.live.response_cache import shared
from dashboard.pages.fleets.as_of import fleets_then
from dashboard.pages.fleets.links import fleet_heads, fleet_sorts
from dashboard.pages.fleets.summary import overview, rows
from dashboard.pages.parts.address import address
from dashboard.pages.parts.cursor import page_asked_for
from dashboard.pages.parts.minute import asked, fault_words, minute_form
from dashboard.pages.parts.over_time_links import picture
from devices import clock
from devices.listing.fleets import SORTS, apart, order_named, standings, standings_of
from fleets.postgres.text_search import LONGEST
from fleets.text import kept, short

PER_PAGE = 25


@require_safe
@signed_in
@shared(lambda request: ())
def fleets(request: HttpRequest) -> HttpResponse:
    """A line for all chosen organizations, a row per fleet, and the latest changes."""
    at, here = clock.now(), scope(request)
    minute = asked(request, at)
    if minute.canonical:
        return HttpResponseRedirect(minute.canonical)
    notices = fault_words(minute.fault)
    sort, text = _sort(request, notices), kept(request.GET.get("q", "")).strip()[:LONGEST]
    if minute.at:
        return fleets_then(request, here, text, sort, notices, minute.at, at)
    aside = apart(here.chosen, at)
    order = order_named(sort)
    fresh = page_asked_for(
        request, notices, partial(standings, here.chosen, text, order, PER_PAGE, at, aside)
    )
    slugs, wanted = [each.slug for each in fresh.rows], on_screen(request)
    moved = bool(wanted) and wanted != slugs
    pinned = standings_of(here.chosen, wanted, at, aside) if moved else fresh.rows
    shown, found = rows(pinned, at, aside), overview(here.chosen, at, aside)
    over_time = picture(request, here.chosen, at)
    context = {
        "nav": "fleets",
        "scope": here,
        "found": found,
        "picture": over_time,
        "minute": minute_form(request, at),
        "trouble": found.attention > 0,
        "rows": shown,
        "moved": moved,
        "text": text,
        "notices": notices,
        "heads": fleet_heads(request, sort),
        "sorts": fleet_sorts(request, sort),
        "clear": address(request, q=None),
        "previous": address(request, before=fresh.previous) if fresh.previous else None,
        "next": address(request, after=fresh.next) if fresh.next else None,
        "administered": here.administered,
    }
    said = (found, over_time.shown.said, shown, moved, fresh.previous, fresh.next, here.chosen, here.roles)
    return live_page(request, "fleets/list.html", context, at=at, shown=said)


def _sort(request: HttpRequest, notices: list[str]) -> str:
    sort = request.GET.get("sort") or "attention"
    if sort.removeprefix("-") in SORTS:
        return sort
    notices.append(f"There is no order “{short(sort)}”: those needing attention come first.")
    return "attention"
