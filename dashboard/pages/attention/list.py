"""The Attention page: across fleets, what is not right."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from dashboard.http.scope import scope, signed_in
from dashboard.live.region import live_page, on_screen
from dashboard.live.response_cache import shared
from dashboard.pages.attention.items import items
from dashboard.pages.parts.address import address
from dashboard.pages.parts.cursor import page_asked_for
from devices import clock
from devices.listing.incidents import LOOKED_AT, Among, lines, lines_named
from devices.status.counts import count_attention
from fleets.models import Fleet
from fleets.postgres.keyset import Page

PER_PAGE = 25


@require_safe
@signed_in
@shared(lambda request: ())
def attention(request: HttpRequest) -> HttpResponse:
    """What needs attention, the worst and newest first; of one fleet where `?fleet=` names one of mine."""
    at, here, notices = clock.now(), scope(request), list[str]()
    among, fleet = Among(tuple(each.pk for each in here.chosen)), None
    if slug := request.GET.get("fleet"):
        fleet = get_object_or_404(Fleet.objects.filter(organization__in=here.chosen), slug=slug)
        among = replace(among, fleet=fleet.pk)
    total = count_attention(among.devices, at)
    read = partial(lines, among, PER_PAGE, at)
    fresh = page_asked_for(request, notices, read) if total else Page[Any]([], None, None)
    ids, wanted = [line.id for line in fresh.rows], on_screen(request)
    moved = bool(wanted) and wanted != ids
    found = lines_named(among, wanted, at) if moved else fresh.rows
    shown = items(found, among.devices, at, complete=total <= LOOKED_AT)
    context = {
        "nav": "attention",
        "scope": here,
        "fleet": fleet,
        "total": total,
        "trouble": total > 0,
        "items": shown,
        "moved": moved,
        "notices": notices,
        "looked_at": LOOKED_AT,
        "previous": address(request, before=fresh.previous) if fresh.previous else None,
        "next": address(request, after=fresh.next) if fresh.next else None,
    }
    said = (total, shown, moved, fresh.previous, fresh.next, notices, here.chosen, fleet and fleet.name)
    return live_page(request, "attention/list.html", context, at=at, shown=said)
