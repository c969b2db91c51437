"""The Attention page: across fleets, what is not right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_safe

from dashboard.http.scope import Scope, request_scope, signed_in
from dashboard.live.region import Live, live_page, on_screen
from dashboard.live.response_cache import cached_response
from dashboard.pages.attention.folded import Folded, flapping, folded
from dashboard.pages.attention.items import Item, items
from dashboard.pages.attention.own_side import OwnSide, own_side
from dashboard.pages.attention.query import Asked, list_then, parse
from dashboard.pages.parts.address import address, beside
from dashboard.pages.parts.attended import attended_words
from dashboard.pages.parts.cursor import requested_page
from dashboard.pages.parts.filter_form import MENU_FLEETS, FilterForm, filter_form
from dashboard.pages.parts.minute import fault_words, minute_form, read_minute
from dashboard.pages.parts.sort_links import Choice, Sort, sort_head, sort_menu
from dashboard.pages.parts.standing import Standing, standing
from devices import clock
from devices.alerts.windows import offline_in_maintenance
from devices.clock import Moment
from devices.listing.filters import Filters
from devices.listing.grouping import Line, tag_keys
from devices.listing.incidents import LOOKED_AT, Among, Attended, attended
from devices.rules.vocabulary import RANKS, WORST, always_attended
from devices.status.counts import count_attended
from devices.status.reading import moved_ids
from fleets.models import Fleet

PER_PAGE: Final = 25
SORTS: Final = {
    "attention": "Worst first",
    "since": "Newest first",
    "-since": "Longest first",
    "devices": "Most devices first",
}
TAGS: Final = 8  # in the menu
KEPT: Final = ("org", "sort", "by")  # what the form of the filters passes on


@dataclass(frozen=True)
class Trouble:
    """How many devices need attention, of each status; without a status: stalled.

    Not `exact`: there are more. `words` says it where six statuses are shown.
    """

    number: int
    counts: tuple[tuple[str, int], ...]
    exact: bool = True
    words: str = ""


@dataclass(frozen=True)
class LiveAttention(Live):
    """What the page shows of what needs attention; `moved`: a fresh one has other lines or another order."""

    asked: Asked
    filtered: bool
    form: FilterForm
    found: Trouble
    maintained: int  # of those that are Offline, in maintenance
    trouble: bool
    causes: int
    items: list[Item]
    standing: dict[str, Standing]  # the incidents of lines, by the id of the line
    folded: Folded
    own_side: OwnSide
    moved: bool
    previous: str | None
    next: str | None
    sorts: list[Choice]
    heads: dict[str, Sort]
    groups: list[Choice]
    looked_at: int = LOOKED_AT


@require_safe
@signed_in
@cached_response(lambda request: ())
def attention(request: HttpRequest) -> HttpResponse:
    """What needs attention, the worst and newest first, of the fleets and tags that the address names."""
    at, scope = clock.moment(), request_scope(request)
    minute = read_minute(request, at.at)
    if minute.canonical or minute.at:
        return HttpResponseRedirect(list_then(request))
    asked = parse(request, scope)
    asked.notices.extend(fault_words(minute.fault))
    live = _live(request, scope, asked, at)
    around = {"nav": "attention", "notices": asked.notices, "minute": minute_form(request, at.at)}
    return live_page(request, "attention/list.html", live, at=at, may_bulk=scope.may_somewhere, **around)


def _live(request: HttpRequest, scope: Scope, asked: Asked, at: Moment) -> LiveAttention:
    among, aside = Among(scope.chosen, asked.filters), moved_ids(at)
    unstable = flapping(among, at, aside)
    apart = {item.id for item in unstable}
    read = partial(attended, among, at, aside, by=asked.by, without=apart)
    trouble, all_lines = _looked_at(among, at, aside, read)
    fresh = requested_page(request, asked.notices, partial(all_lines.page, asked.sort, PER_PAGE))
    wanted = on_screen(request)
    moved = bool(wanted) and wanted != [line.id for line in fresh.rows]
    lines = all_lines.named(wanted) if moved else fresh.rows
    previous, after = beside(request, fresh)
    fleets = list(Fleet.objects.filter(organization__in=scope.chosen)[: MENU_FLEETS + 1])
    return LiveAttention(
        scope=scope,
        asked=asked,
        filtered=asked.filters != Filters(),
        form=filter_form(request, asked.filters, fleets, KEPT, None),
        found=trouble,
        maintained=0 if asked.filters != Filters() else offline_in_maintenance(scope.chosen, at, aside),
        trouble=trouble.number > 0,
        causes=len(all_lines.lines),
        items=items(lines, among.devices, at, aside, all_lines.oldest),
        standing=_standing(lines),
        folded=folded(all_lines.young, unstable),
        own_side=own_side(scope.chosen, at),
        moved=moved,
        previous=previous,
        next=after,
        sorts=_sorts(request, asked),
        heads={name: sort_head(request, name, asked.sort) for name in ("attention", "since")},
        groups=_groups(request, asked, all_lines),
    )


def _standing(lines: Sequence[Line]) -> dict[str, Standing]:
    """The incident of each line: the one in which most of its named devices stand."""
    found = standing([device for line in lines for device in line.devices]) if lines else {}
    of_lines = {line.id: Counter(found[one] for one in line.devices if one in found) for line in lines}
    return {line: incidents.most_common(1)[0][0] for line, incidents in of_lines.items() if incidents}


def _looked_at(
    among: Among, at: Moment, moved: Sequence[int], read: partial[Attended]
) -> tuple[Trouble, Attended]:
    """How many need attention, and their lines; of filters that no counter knows from what was looked at."""
    if among.counted:
        counts, stalled = count_attended(among.devices, at, moved)
        total = always_attended(counts) + stalled
        numbers = (*((item.value, counts[item]) for item in WORST), ("", stalled))
        words = attended_words(counts, total)
        trouble = Trouble(total, tuple(number for number in numbers if number[1]), words=words)
        return trouble, read() if total else Attended()
    found = read()
    ranks = Counter(device.rank for device in found.lost)
    numbers = tuple((status or "", ranks[rank]) for rank, status in enumerate(RANKS) if ranks[rank])
    return Trouble(len(found.lost), numbers, exact=found.oldest is None), found


def _sorts(request: HttpRequest, asked: Asked) -> list[Choice]:
    found = sort_menu(request, SORTS, asked.sort)
    return [
        Choice(item.words, item.address, name == asked.sort) for name, item in zip(SORTS, found, strict=True)
    ]


def _groups(request: HttpRequest, asked: Asked, found: Attended) -> list[Choice]:
    """By what was lost together, and by each tag that some share."""
    keys = list(dict.fromkeys([*filter(None, [asked.by]), *tag_keys(found.lost, TAGS)]))
    tags = [Choice(f"Tag {key}", address(request, by=key), key == asked.by) for key in keys]
    return [Choice("Cause", address(request, by=None), not asked.by), *tags]
