"""The Devices page: of all fleets, and of one."""

from __future__ import annotations

from functools import partial

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from dashboard.http.scope import Scope, scope, signed_in
from dashboard.live.region import live_page, wants_fragment
from dashboard.live.response_cache import shared
from dashboard.pages.devices.as_of import devices_then
from dashboard.pages.devices.column_menu import column_choices
from dashboard.pages.devices.filter_form import MENU_FLEETS, filter_form
from dashboard.pages.devices.links import list_links
from dashboard.pages.devices.page import counted, listing
from dashboard.pages.devices.query import meant, parse, uuids_on_screen
from dashboard.pages.devices.saved_views import view_strip
from dashboard.pages.parts.cursor import page_asked_for
from dashboard.pages.parts.minute import asked as asked_minute
from dashboard.pages.parts.minute import fault_words, minute_form
from dashboard.pages.parts.over_time_links import picture
from devices import clock
from devices.listing.filters import Filters
from fleets.models import Fleet

KEPT = ("org", "sort", "per_page", "columns", "range", "view")  # what the form of the filters passes on


@require_safe
@signed_in
@shared(uuids_on_screen)
def devices(request: HttpRequest) -> HttpResponse:
    """Every device of the viewer's organizations."""
    here = scope(request)
    fleets = Fleet.objects.filter(organization__in=here.chosen)
    return _page(request, here, list(fleets[: MENU_FLEETS + 1]))


@require_safe
@signed_in
@shared(lambda request, slug: uuids_on_screen(request))
def fleet(request: HttpRequest, slug: str) -> HttpResponse:
    """The devices of one fleet; 404 where it is not one of the viewer's."""
    here = scope(request)
    found = get_object_or_404(Fleet.objects.filter(organization__in=here.chosen), slug=slug)
    return _page(request, here, [], found)


def _page(request: HttpRequest, here: Scope, fleets: list[Fleet], fleet: Fleet | None = None) -> HttpResponse:
    at, may = clock.now(), here.may(fleet.organization_id) if fleet else None
    minute = asked_minute(request, at)
    if minute.canonical:
        return HttpResponseRedirect(minute.canonical)
    asked = parse(request, here.chosen, fleet)
    asked.notices += fault_words(minute.fault)
    if minute.at:
        return devices_then(request, here, asked, fleets, fleet, minute.at, at)
    read = partial(listing, here.chosen, asked.filters, asked.sort, asked.size, at)
    found = page_asked_for(request, asked.notices, partial(read, on_screen=uuids_on_screen(request)))
    links, late = list_links(request, asked, found), found.counts is None and "facets" in request.GET
    if late:
        found = counted(found, here.chosen, asked.filters, at)
    about, over_time = (
        [fleet] if fleet else fleets,
        picture(request, here.chosen, at, fleet) if fleet else None,
    )
    context = {
        "nav": "fleets" if fleet else "devices",
        "scope": here,
        "fleet": fleet,
        "may": may,
        "operated": [each for each in about if here.may(each.organization_id).operator],
        "asked": asked,
        "filtered": asked.filters != Filters(fleets=(fleet,) if fleet else ()),
        "found": found,
        "picture": over_time,
        "minute": minute_form(request, at),
        "links": links,
        "meant": meant(request, fleet),
        "may_bulk": may or here.may_somewhere,
        "columns": column_choices(request, asked.columns, of_one_fleet=bool(fleet)),
        "views": partial(view_strip, request, here),  # outside the live part: a refresh does not ask
        "form": filter_form(request, asked.filters, fleets, KEPT, fleet),
    }
    if late and wants_fragment(request):
        return render(request, "devices/facets.html", context)
    shown = (
        found,
        asked.columns,
        asked.notices,
        fleets,
        over_time and over_time.shown.said,
        fleet and (fleet.name, fleet.device_type),
        here.roles,
    )
    return live_page(request, "devices/list.html", context, at=at, shown=shown)
