"""The Device Summary."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from dashboard.http.scope import Scope, request_scope, signed_in
from dashboard.live.region import Live, live_page
from dashboard.live.request_moment import moment_of
from dashboard.live.response_cache import cached_response
from dashboard.pages.device.events import Page, history, runs_as_one
from dashboard.pages.device.own_links import OwnLink, own_links
from dashboard.pages.device.poll_window import Window, is_near, window
from dashboard.pages.device.timeline import Timeline, timeline
from dashboard.pages.device.vitals import Vital, vitals
from dashboard.pages.parts.chart import RANGES, Range
from dashboard.pages.parts.device_row import doing, tags
from dashboard.pages.parts.mirrored import Reading, reading_of
from dashboard.pages.parts.poll_interval import OwnInterval, interval_of
from dashboard.pages.parts.standing import Standing, standing
from dashboard.templating import indicators
from dashboard.templating.indicators import Indicator
from devices import advice
from devices.advice import Ability, Check
from devices.alerts import windows
from devices.clock import Moment
from devices.history import device_history
from devices.listing.filters import in_organizations
from devices.operations.batch import links_up
from devices.status.annotated import DeviceWithStatus
from devices.status.explanation import Explanation, explain
from devices.status.reading import as_recorded, moved_ids, with_status
from fleets.access.roles import May
from fleets.postgres import moments

EVENTS = 20  # events on a page
READ = 120  # changes that are read to find runs of them


@dataclass(frozen=True)
class LiveDevice(Live):
    """All that the page says of its device but for its title; `device` is one read by with_status."""

    device: DeviceWithStatus
    may: May
    up: str
    links: tuple[Indicator, Indicator]
    reading: Reading | None  # of its source
    standing: Standing | None  # in an open incident
    why: Explanation
    doing: str
    stalled: bool
    window: Window | None
    near: bool  # the next change is said beside the status
    own_links: tuple[OwnLink, ...]
    works: tuple[Ability, ...]
    doubt: str
    checks: tuple[Check, ...]
    vitals: list[Vital]
    interval: OwnInterval
    tags: list[str]
    timeline: Timeline
    ranges: dict[str, Range]
    page: Page
    until: datetime | None


@require_safe
@signed_in
@cached_response(lambda request, uuid: [uuid])
def device(request: HttpRequest, uuid: str) -> HttpResponse:
    """One device: its status, why, what to check, its facts and what happened; 404 to strangers."""
    at, scope = moment_of(request), request_scope(request)
    annotated = with_status if moved_ids(at) else as_recorded
    devices = annotated(in_organizations(scope.chosen), at).select_related(
        "fleet", "organization", "mirrored__source"
    )
    found = get_object_or_404(devices, uuid=uuid)
    return live_page(request, "devices/detail.html", _live(request, scope, found, at), at=at, nav="fleets")


def _live(request: HttpRequest, scope: Scope, found: DeviceWithStatus, at: Moment) -> LiveDevice:
    period = RANGES.get(request.GET.get("range", ""), RANGES["24h"])
    until = moments.read(request.GET.get("until", ""))
    why, recorded_history = (
        explain(found, at),
        device_history.read(found, period.start(at.at), at, READ + 1, until),
    )
    covers = windows.lasted(found, period.start(at.at), at.at)
    clock_runs = window(found, why.next_status, why.next_at, at.at)
    return LiveDevice(
        scope=scope,
        device=found,
        may=scope.may(found.organization_id),
        up=links_up(vpn=found.vpn, heartbeat=found.heartbeat),
        links=(indicators.vpn(found), indicators.heartbeat(found)),
        reading=reading_of(found, at.at, found.status),
        standing=standing([found.pk]).get(found.pk),
        why=why,
        doing=doing(found),
        stalled=found.stalled,
        window=clock_runs,
        near=is_near(found, why.next_at, clock_runs, at.at),
        own_links=own_links(found),
        works=advice.works_now(found, at.at),
        doubt=advice.doubt(found, at.at),
        checks=advice.check_next(found, at),
        vitals=vitals(found.metrics),
        interval=interval_of(found),
        tags=tags(found),
        timeline=timeline(found, recorded_history, period, at, covers),
        ranges=RANGES,
        page=runs_as_one(history(found, recorded_history, READ, until), EVENTS),
        until=until,
    )
