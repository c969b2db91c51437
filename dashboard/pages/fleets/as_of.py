"""The Fleets page as of a past minute, with the difference to the present."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from dashboard.http.scope import Scope
from dashboard.pages.fleets.links import fleet_heads, fleet_sorts
from dashboard.pages.parts.address import address, beside
from dashboard.pages.parts.attended import attended_words
from dashboard.pages.parts.cursor import requested_page
from dashboard.pages.parts.differences import Difference, differences
from dashboard.pages.parts.minute import as_of
from dashboard.pages.parts.over_time_links import picture
from devices.clock import Moment
from devices.history import changes, counts_as_of
from devices.history.changes import Change
from devices.history.counts_as_of import Instant
from devices.listing.facet_counts import as_shown
from devices.listing.filters import in_organizations
from devices.listing.fleets import FleetSummary, order_named, summaries_of, uncounted
from devices.listing.fleets_as_of import summaries_as_of
from devices.rules.vocabulary import always_attended
from devices.status.counts import count_by_status
from fleets.models import FleetType

PER_PAGE = 25


@dataclass(frozen=True)
class FleetAsOf:
    """A row of the page: a fleet with its counts as of the minute, beside the present ones."""

    slug: str
    name: str
    type: FleetType
    device_type: str
    counts: list[Difference]
    total: int
    attention: int
    attended: str
    change: Change | None


def fleets_page_as_of(
    request: HttpRequest, scope: Scope, text: str, sort: str, notices: list[str], at: Moment, now: Moment
) -> HttpResponse:
    """The page as of `at`, which neither refreshes nor has actions; `text` is the search, `sort` the order.

    Notices are appended to `notices`.
    """
    instant, lacking = counts_as_of.instant(at, now), uncounted(scope.chosen, now)
    order = order_named(sort)
    fresh = requested_page(
        request, notices, partial(summaries_as_of, scope.chosen, instant, text, order, PER_PAGE)
    )
    summaries = summaries_of(scope.chosen, [row.slug for row in fresh.rows], now, lacking)
    last = changes.last_of_fleets([row.id for row in fresh.rows], at, instant.passed)
    previous, after = beside(request, fresh)
    context = as_of(request, at, now) | _counts(scope, instant, now, lacking.moved)
    context |= {
        "nav": "fleets",
        "scope": scope,
        "rows": list(_rows(fresh.rows, summaries, last)),
        "picture": picture(request, scope.chosen, now),
        "text": text,
        "notices": notices,
        "heads": fleet_heads(request, sort),
        "sorts": fleet_sorts(request, sort),
        "clear": address(request, q=None),
        "previous": previous,
        "next": after,
    }
    return render(request, "fleets/as_of.html", context)


def _counts(scope: Scope, instant: Instant, now: Moment, moved: Sequence[int]) -> dict[str, object]:
    """The context of the counts by status as of the instant, beside the present ones."""
    counts, gone = counts_as_of.count([organization.pk for organization in scope.chosen], instant)
    present = as_shown(count_by_status(in_organizations(scope.chosen), now, moved))
    return {
        "counts": differences(as_shown(counts), present),
        "stack": as_shown(counts),
        "total": sum(counts.values()),
        "attention": (attention := always_attended(counts)),
        "attended": attended_words(counts, attention),
        "gone": gone,
    }


def _rows(
    found: Sequence[FleetSummary], now: Sequence[FleetSummary], last: Mapping[int, Change]
) -> Iterator[FleetAsOf]:
    present = {summary.id: summary for summary in now}
    for summary in found:
        if summary.id in present:
            yield FleetAsOf(
                summary.slug,
                summary.name,
                FleetType(summary.type),
                summary.device_type,
                differences(as_shown(summary.counts), as_shown(present[summary.id].counts)),
                summary.devices,
                summary.attention,
                attended_words(summary.counts, summary.attention),
                last.get(summary.id),
            )
