"""The Attention page: across fleets, what is not right."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from dashboard.http.scope import Scope, request_scope, signed_in
from dashboard.live.region import Live, live_page, on_screen
from dashboard.live.response_cache import shared
from dashboard.pages.attention.items import Item, items
from dashboard.pages.parts.address import beside
from dashboard.pages.parts.attended import attended_words
from dashboard.pages.parts.cursor import page_asked_for
from devices import clock
from devices.listing.incidents import LOOKED_AT, Among, Attended, attended
from devices.rules.vocabulary import always_attended
from devices.status.counts import count_attended
from devices.status.reading import moved_ids
from fleets.models import Fleet

PER_PAGE = 25


@dataclass(frozen=True)
class LiveAttention(Live):
    """What the page shows of what needs attention; `moved`: a fresh one has other lines or another order."""

    fleet: Fleet | None
    total: int
    words: str
    trouble: bool
    items: list[Item]
    moved: bool
    previous: str | None
    next: str | None
    looked_at: int = LOOKED_AT


@require_safe
@signed_in
@shared(lambda request: ())
def attention(request: HttpRequest) -> HttpResponse:
    """What needs attention, the worst and newest first; of one fleet where `?fleet=` names one of mine."""
    at, scope, notices = clock.moment(), request_scope(request), list[str]()
    fleet = _fleet(request, scope)
    among = Among(tuple(each.pk for each in scope.chosen), fleet=fleet.pk if fleet else None)
    aside = moved_ids(at)
    counts, stalled = count_attended(among.devices, at, aside)
    total = always_attended(counts) + stalled
    all_lines = attended(among, at, aside) if total else Attended(())
    fresh = page_asked_for(request, notices, partial(all_lines.page, PER_PAGE))
    wanted = on_screen(request)
    moved = bool(wanted) and wanted != [line.id for line in fresh.rows]
    found = all_lines.named(wanted) if moved else fresh.rows
    shown = items(found, among.devices, at, aside, complete=total <= LOOKED_AT)
    words = attended_words(counts, total)
    live = LiveAttention(scope, fleet, total, words, total > 0, shown, moved, *beside(request, fresh))
    return live_page(request, "attention/list.html", live, at=at, nav="attention", notices=notices)


def _fleet(request: HttpRequest, scope: Scope) -> Fleet | None:
    """The fleet that the address narrows the page to; Http404 where it is none of mine."""
    slug = request.GET.get("fleet")
    mine = Fleet.objects.filter(organization__in=scope.chosen)
    return get_object_or_404(mine, slug=slug) if slug else None
