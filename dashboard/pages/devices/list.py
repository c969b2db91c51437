"""The Devices page, and the page of one fleet with its devices."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from dashboard.http.scope import Scope, request_scope, signed_in
from dashboard.live.region import Live, live_page, wants_fragment
from dashboard.live.request_moment import moment_of
from dashboard.live.response_cache import cached_response
from dashboard.pages.devices.as_of import devices_page_as_of
from dashboard.pages.devices.column_menu import Columns, column_choices
from dashboard.pages.devices.links import Links, list_links
from dashboard.pages.devices.page import Listing, counted, listing
from dashboard.pages.devices.query import Query, list_query, parse, uuids_on_screen
from dashboard.pages.devices.saved_views import view_strip
from dashboard.pages.parts.cursor import requested_page
from dashboard.pages.parts.filter_form import FilterForm, filter_form, menu_fleets
from dashboard.pages.parts.minute import fault_words, minute_form, read_minute
from dashboard.pages.parts.mirrored import Reading, reading_of
from dashboard.pages.parts.over_time_links import Picture, picture
from devices.clock import Moment
from devices.listing.filters import Filters
from fleets.access.roles import May
from fleets.models import Fleet

KEPT = (
    "org",
    "sort",
    "per_page",
    "columns",
    "range",
    "view",
)  # parameters that the form of the filters passes on


@dataclass(frozen=True)
class LiveDevices(Live):
    """The live region of a list of devices, of one fleet or of all."""

    fleet: Fleet | None
    reading: Reading | None  # of the fleet's source
    may: May | None  # in the fleet's organization
    operated: list[Fleet]  # fleets of the menu in which the person is at least Operator
    query: Query
    filtered: bool
    found: Listing
    picture: Picture | None
    links: Links
    list_query: str
    columns: Columns
    form: FilterForm


@require_safe
@signed_in
@cached_response(uuids_on_screen)
def devices(request: HttpRequest) -> HttpResponse:
    """The devices of all fleets of the person's organizations."""
    scope = request_scope(request)
    return _page(request, scope, menu_fleets(scope.chosen))


@require_safe
@signed_in
@cached_response(lambda request, slug: uuids_on_screen(request))
def fleet(request: HttpRequest, slug: str) -> HttpResponse:
    """The devices of one fleet; 404 to strangers."""
    scope = request_scope(request)
    found = get_object_or_404(
        Fleet.objects.select_related("organization", "mirrored__source").filter(
            organization__in=scope.chosen
        ),
        slug=slug,
    )
    return _page(request, scope, [], found)


def _page(
    request: HttpRequest, scope: Scope, fleets: list[Fleet], fleet: Fleet | None = None
) -> HttpResponse:
    at = moment_of(request)
    minute = read_minute(request, at.at)
    if minute.canonical:
        return HttpResponseRedirect(minute.canonical)
    query = parse(request, scope.chosen, fleet)
    query.notices += fault_words(minute.fault)
    if minute.at:
        return devices_page_as_of(request, scope, query, fleets, fleet, minute.at, at)
    live = _live(request, scope, query, fleets, fleet, at)
    if live.links.count and "facets" in request.GET:
        found = counted(live.found, scope.chosen, query.filters, at)
        live = replace(live, found=found)
        if wants_fragment(request):
            return render(request, "devices/facets.html", vars(live))
    around = {
        "nav": "fleets" if fleet else "devices",
        "minute": minute_form(request, at.at),
        "may_bulk": live.may or scope.may_somewhere,
        "views": partial(view_strip, request, scope),  # called by the whole page only, not by a refresh
    }
    return live_page(request, "devices/list.html", live, at=at, **around)


def _live(
    request: HttpRequest, scope: Scope, query: Query, fleets: list[Fleet], fleet: Fleet | None, at: Moment
) -> LiveDevices:
    read = partial(listing, scope.chosen, query.filters, query.sort, query.size, at)
    found = requested_page(request, query.notices, partial(read, on_screen=uuids_on_screen(request)))
    about = [fleet] if fleet else fleets
    return LiveDevices(
        scope=scope,
        fleet=fleet,
        reading=reading_of(fleet, at.at) if fleet else None,
        may=scope.may(fleet.organization_id) if fleet else None,
        operated=[fleet for fleet in about if scope.may(fleet.organization_id).operator],
        query=query,
        filtered=query.filters != Filters(fleets=(fleet,) if fleet else ()),
        found=found,
        picture=picture(request, scope.chosen, at, fleet) if fleet else None,
        links=list_links(request, query, found),
        list_query=list_query(request, fleet),
        columns=column_choices(request, query.columns, of_one_fleet=bool(fleet)),
        form=filter_form(request, query.filters, fleets, KEPT, fleet),
    )
