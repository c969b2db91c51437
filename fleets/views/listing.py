"""The Fleets page: how everything is, and where to look first."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from dashboard.pages import live_page, on_screen, scope, signed_in
from devices import clock
from devices.pages.overview import SORTS, overview, pinned
from devices.views.addresses import fleet_heads, fleet_sorts
from devices.views.filter_query import short
from devices.views.query import address

PER_PAGE = 50


@require_safe
@signed_in
def fleets(request: HttpRequest) -> HttpResponse:
    """A line for all chosen organizations, a row per fleet, and the latest changes."""
    at, here, notices = clock.now(), scope(request), []
    sort, text = request.GET.get("sort") or "attention", request.GET.get("q", "").strip()
    if sort.removeprefix("-") not in SORTS:
        notices = [f"There is no order “{short(sort)}”: those needing attention come first."]
        sort = "attention"
    found = overview(here.chosen, text, sort, at)
    page = Paginator(found.rows, PER_PAGE).get_page(request.GET.get("page"))
    fresh = list(page.object_list)
    rows = pinned(found, on_screen(request)) or fresh
    context = {
        "nav": "fleets",
        "scope": here,
        "found": found,
        "page": page,
        "rows": rows,
        "moved": rows != fresh,
        "text": text,
        "notices": notices,
        "heads": fleet_heads(request, sort),
        "sorts": fleet_sorts(request, sort),
        "clear": address(request, q=None),
        "administered": here.administered,
    }
    return live_page(
        request, "fleets/list.html", context, at=at, shown=(found, rows, page.number, here.chosen, here.roles)
    )
