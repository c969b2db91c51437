"""The page "Attention": the devices of all fleets that need attention, grouped by what was lost together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_safe

from dashboard.http.scope import Scope, request_scope, signed_in
from dashboard.live.region import Live, live_page, on_screen
from dashboard.live.request_moment import moment_of
from dashboard.live.response_cache import cached_response
from dashboard.pages.attention.folded import Folded, flapping, folded
from dashboard.pages.attention.item import Item
from dashboard.pages.attention.items import items
from dashboard.pages.attention.own_side import OwnSide, own_side
from dashboard.pages.attention.query import Asked, list_then, parse
from dashboard.pages.parts.address import address, beside
from dashboard.pages.parts.attended import attended_words
from dashboard.pages.parts.cursor import requested_page
from dashboard.pages.parts.filter_form import FilterForm, filter_form, menu_fleets
from dashboard.pages.parts.minute import fault_words, minute_form, read_minute
from dashboard.pages.parts.sort_links import Choice, Sort, sort_head, sort_menu
from dashboard.pages.parts.standing import standing
from devices.alerts.windows import offline_in_maintenance
from devices.clock import Moment
from devices.listing.among import Among
from devices.listing.filters import Filters
from devices.listing.grouping import Line
from devices.listing.incidents import Attended, attended
from devices.listing.lost_tags import tag_keys
from devices.listing.trouble import LOOKED_AT
from devices.rules.vocabulary import RANKS, WORST, always_attended
from devices.status.counts import count_stalled, count_whole
from devices.status.reading import moved_ids

PER_PAGE: Final = 25
SORTS: Final = {
    "attention": "Worst first",
    "since": "Newest first",
    "-since": "Longest first",
    "devices": "Most devices first",
}
TAGS: Final = 8  # tags in the menu "Group by"
KEPT: Final = ("org", "sort", "by")  # parameters that the form of the filters passes on


@dataclass(frozen=True)
class Trouble:
    """The number of devices that need attention, and of each status, with "" for stalled ones.

    If it is not `exact`, there are more. `words` are the numbers in words, or "" where `counts` is shown.
    """

    number: int
    counts: tuple[tuple[str, int], ...]
    exact: bool = True
    words: str = ""


@dataclass(frozen=True)
class LiveAttention(Live):
    """The live region of the page; `moved` if the lines or their order are no longer those on screen.

    `trouble`, `causes` and `found` are of all pages, `items` of this one.
    """

    asked: Asked
    filtered: bool
    form: FilterForm
    found: Trouble
    maintained: int  # of those that are Offline, in maintenance
    trouble: bool
    causes: int
    items: list[Item]
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
    """The page; an address with a past minute leads to the list of devices, which can show the past."""
    at, scope = moment_of(request), request_scope(request)
    minute = read_minute(request, at.at)
    if minute.canonical or minute.at:
        return HttpResponseRedirect(list_then(request))
    asked = parse(request, scope)
    asked.notices.extend(fault_words(minute.fault))
    live = _live(request, scope, asked, at)
    context = {"nav": "attention", "notices": asked.notices, "minute": minute_form(request, at.at)}
    return live_page(request, "attention/list.html", live, at=at, may_bulk=scope.may_somewhere, **context)


def _live(request: HttpRequest, scope: Scope, asked: Asked, at: Moment) -> LiveAttention:
    among, moved_devices = Among(scope.chosen, asked.filters), moved_ids(at)
    unstable = flapping(among, at, moved_devices)
    read = partial(
        attended, among, at, moved_devices, by=asked.by, without={device.id for device in unstable}
    )
    trouble, all_lines = _counted(among, at, moved_devices, read)
    fresh = requested_page(request, asked.notices, partial(all_lines.page, asked.sort, PER_PAGE))
    wanted = on_screen(request)
    moved = bool(wanted) and wanted != [line.id for line in fresh.rows]
    lines = all_lines.named(wanted) if moved else fresh.rows
    previous, after = beside(request, fresh)
    fleets = menu_fleets(scope.chosen)
    return LiveAttention(
        scope=scope,
        asked=asked,
        filtered=asked.filters != Filters(),
        form=filter_form(request, asked.filters, fleets, KEPT, None),
        found=trouble,
        maintained=0
        if asked.filters != Filters()
        else offline_in_maintenance(scope.chosen, at, moved_devices),
        trouble=trouble.number > 0,
        causes=len(all_lines.lines),
        items=_items(lines, items(lines, among, at, moved_devices, all_lines.newest)),
        folded=folded(all_lines.young, unstable),
        own_side=own_side(scope.chosen, at),
        moved=moved,
        previous=previous,
        next=after,
        sorts=_sorts(request, asked),
        heads={name: sort_head(request, name, asked.sort) for name in ("attention", "since")},
        groups=_groups(request, asked, all_lines),
    )


def _items(lines: Sequence[Line], made: list[Item]) -> list[Item]:
    """The items of these lines, each with its incident: the one in which most of its named devices stand."""
    found = standing([device for line in lines for device in line.devices]) if lines else {}
    of_lines = {line.id: Counter(found[one] for one in line.devices if one in found) for line in lines}
    incidents = {line: several.most_common(1)[0][0] for line, several in of_lines.items() if several}
    return [replace(item, standing=incidents[item.id]) if item.id in incidents else item for item in made]


def _counted(
    among: Among, at: Moment, moved: Sequence[int], read: partial[Attended]
) -> tuple[Trouble, Attended]:
    """The numbers of devices that need attention, and all lines; counted from these where filters are set."""
    if among.counted:
        found = read()
        counts, stalled = count_whole(*among.whole, at, moved), found.newest.stalled
        if stalled is None:
            stalled = count_stalled(among.devices, at, moved).total()
        total = always_attended(counts) + stalled
        numbers = (*((item.value, counts[item]) for item in WORST), ("", stalled))
        words = attended_words(counts, total)
        trouble = Trouble(total, tuple(number for number in numbers if number[1]), words=words)
        return trouble, found
    found = read()
    ranks = Counter(device.rank for device in found.lost)
    numbers = tuple((status or "", ranks[rank]) for rank, status in enumerate(RANKS) if ranks[rank])
    return Trouble(len(found.lost), numbers, exact=found.exact), found


def _sorts(request: HttpRequest, asked: Asked) -> list[Choice]:
    found = sort_menu(request, SORTS, asked.sort)
    return [
        Choice(item.words, item.address, name == asked.sort) for name, item in zip(SORTS, found, strict=True)
    ]


def _groups(request: HttpRequest, asked: Asked, found: Attended) -> list[Choice]:
    """The menu "Group by": what was lost together, or a tag that devices share, the most frequent first."""
    frequent = tag_keys(tuple(device.tags for device in found.lost), TAGS)
    keys = list(dict.fromkeys([*filter(None, [asked.by]), *frequent]))
    tags = [Choice(f"Tag {key}", address(request, by=key), key == asked.by) for key in keys]
    return [Choice("Cause", address(request, by=None), not asked.by), *tags]
