"""The Device Summary."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from dashboard.http.scope import scope, signed_in
from dashboard.live.region import live_page
from dashboard.live.response_cache import shared
from dashboard.pages.device.events import history
from dashboard.pages.device.poll_window import window
from dashboard.pages.device.timeline import timeline
from dashboard.pages.device.vitals import vitals
from dashboard.pages.parts.chart import RANGES
from dashboard.pages.parts.device_row import doing, tags
from dashboard.pages.parts.poll_interval import interval_of
from dashboard.templating import indicators
from devices import advice, clock
from devices.history import device_history
from devices.listing.filters import in_organizations
from devices.operations.batch import links_up
from devices.status.explanation import explain
from devices.status.reading import as_recorded, moved_ids, with_status
from fleets.postgres import moments

EVENTS = 20


@require_safe
@signed_in
@shared(lambda request, uuid: [uuid])
def device(request: HttpRequest, uuid: str) -> HttpResponse:
    """One device: its status, why, what to check, its facts and what happened; 404 to strangers."""
    at, here = clock.now(), scope(request)
    of = RANGES.get(request.GET.get("range", ""), RANGES["24h"])
    until = moments.read(request.GET.get("until", ""))
    annotated = with_status if moved_ids(at) else as_recorded
    devices = annotated(in_organizations(here.chosen), at).select_related("fleet", "organization")
    found: Any = get_object_or_404(devices, uuid=uuid)
    why, past = explain(found, at), device_history.read(found, of.start(at), at, EVENTS + 1, until)
    said: dict[str, Any] = {
        "links": (indicators.vpn(found), indicators.heartbeat(found)),
        "why": why,
        "doing": doing(found),
        "stalled": found.stalled,
        "interval": interval_of(found),
        "vitals": vitals(found.metrics),
        "tags": tags(found),
        "timeline": timeline(found, past, of, at),
        "until": until,
        "page": history(found, past, EVENTS, until),
        "works": advice.works_now(found, at),
        "doubt": advice.doubt(found, at),
        "checks": advice.check_next(found, at),
        "may": here.may(found.organization_id),
        "up": links_up(found),
    }
    picture = window(found, why.next_status, why.next_at, at)
    context = said | {"nav": "fleets", "scope": here, "device": found, "window": picture, "ranges": RANGES}
    shown = (
        facts(found),
        found.fleet.name,
        found.organization.name,
        sorted(said.items(), key=lambda item: item[0]),
        picture and picture.fixed,
    )
    return live_page(request, "devices/detail.html", context, at=at, shown=shown)


def facts(device: Any) -> dict[str, Any]:
    """Every fact of a device, for the polling tag; which of them are shown is the template's business."""
    return {name: value for name, value in vars(device).items() if not name.startswith("_")}
