"""The connectivity picture of a device: three lanes over a day, a week or a month, as values for an SVG.

The height of a segment shows its state, and so does its colour; outages of ours are hatched. A day shows
every span; a longer range, or a day with very many spans, shows the worst state of each bucket. Uptime is
computed from the spans.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.conf import settings

from dashboard.pages.parts.chart import Mark, Range, Scale, ceiling, marks_of, span_words
from dashboard.templating.indicators import HEARTBEAT_STATES, VPN_ICONS, VPN_NOT_YET, VPN_STATES
from devices import words
from devices.alerts.windows import Cover
from devices.clock import Moment
from devices.history import spans as device_spans
from devices.history.device_history import DeviceHistory
from devices.history.flapping import flapping_changes
from devices.history.spans import History, Span
from devices.rules.vocabulary import RANKS, HeartbeatState, Status, shown
from devices.status.annotated import DeviceWithStatus
from fleets.text import isolated

HEIGHT: Final = 24
MINUTE: Final = timedelta(minutes=1)
SPANS_DRAWN: Final = 200  # spans of a lane; with more, a day is drawn in buckets as longer ranges are
# The heights of states; those in none of these are a line at the bottom.
FULL: Final = {Status.ONLINE, "connected", HeartbeatState.RECENT}
MOST: Final = {Status.UPDATING, Status.CONFIGURING}
HALF: Final = {Status.VPN_ONLY, Status.HEARTBEAT_ONLY, Status.POST_PROVISIONING, HeartbeatState.LATE}
# The states of each lane, the worst first, as a bucket shows its worst state.
WORST: Final = {
    "status": [status.value for status in RANKS if status],
    "vpn": ["disconnected", "connected", "unknown"],
    "heartbeat": ["lost", "late", "recent", "unknown"],
}
MEANS: Final = {"status": "reachable", "vpn": "connected", "heartbeat": "contacted"}


@dataclass(frozen=True)
class Segment:
    """A rectangle of a lane: position and width in per cent, `y` in pixels from the top, and its words.

    `until` is the end of its span, at which a list of the events that led to it begins.
    """

    state: str
    x: str
    width: str
    y: int
    words: str
    until: str

    @property
    def height(self) -> int:
        return HEIGHT - self.y


@dataclass(frozen=True)
class SpanRow:
    """A lane: its segments, and its uptime in words with what that means, as "connected".

    `changes` is the number of changes within the hour if the link is flapping, else 0.
    """

    kind: str
    name: str
    segments: tuple[Segment, ...]
    uptime: str
    means: str
    changes: int


@dataclass(frozen=True)
class Timeline:
    """The picture: its range, lanes, marks of the axis, outages of ours, and maintenance windows."""

    range: Range
    rows: tuple[SpanRow, ...]
    marks: tuple[Mark, ...]
    outages: tuple[Mark, ...]
    maintenance: tuple[Mark, ...]


def timeline(
    device: DeviceWithStatus,
    recorded_history: DeviceHistory,
    period: Range,
    at: Moment,
    covers: Sequence[Cover] = (),
) -> Timeline:
    """The picture of a device for a range up to `at`.

    `device` was read by with_status; `recorded_history` begins at the start of the range; `covers`: the
    maintenance windows within it. Without a change the picture is the same for a whole step of the range.
    """
    scale = Scale(period.start(at.at), period.end(at.at), at.at)
    history = device_spans.spans_of(device, recorded_history, scale.start, at)
    kinds = {"status": "Status", "vpn": settings.VPN_WORD, "heartbeat": "API heartbeat"}
    return Timeline(
        range=period,
        rows=tuple(_span_row(kind, name, history, period, scale, device) for kind, name in kinds.items()),
        marks=tuple(marks_of(period, scale)),
        outages=tuple(
            Mark(scale.x(begins), span_words("Not observed", begins, ends, at.at), scale.width(begins, ends))
            for begins, ends in history.outages
        ),
        maintenance=tuple(_window(cover, scale) for cover in covers),
    )


def _window(cover: Cover, scale: Scale) -> Mark:
    start, end = max(cover.occurrence.start, scale.start), cover.occurrence.end
    label = span_words(isolated(cover.window.title), cover.occurrence.start, end, scale.at)
    return Mark(scale.x(start), label, scale.width(start, end))


def _span_row(
    kind: str, name: str, history: History, period: Range, scale: Scale, device: DeviceWithStatus
) -> SpanRow:
    spans = history.spans[kind]
    changes = 0 if kind == "status" else flapping_changes([span.start for span in spans[1:]], scale.at)
    if period.name != "24h" or len(spans) > SPANS_DRAWN:
        spans = _worst(kind, spans, period, scale)
    # To the end of the minute, so that a refresh within it says the same.
    uptime = _percent(history.uptime(kind, scale.start, ceiling(scale.at, MINUTE)))
    if kind == "vpn" and not device.vpn_enabled and not device.vpn:
        uptime = VPN_NOT_YET if device.vpn_unset else VPN_STATES["off"]
    drawn = (_segment(kind, span, scale) for span in spans if span.state not in ("", "unknown"))
    return SpanRow(kind, name, tuple(drawn), uptime, MEANS[kind] if uptime[-1:] == "%" else "", changes)


def _segment(kind: str, span: Span, scale: Scale) -> Segment:
    state = _shown(kind, span.state)
    y = 0 if state in FULL else 7 if state in MOST else 13 if state in HALF else 21
    label = span_words(_name(kind, state), span.start, span.end, scale.at)
    return Segment(
        state,
        scale.x(span.start),
        scale.width(span.start, span.end),
        y,
        f"{label}: {span.reason}" if span.reason else label,
        span.end.isoformat() if span.end else "",
    )


def _shown(kind: str, state: str) -> str:
    if kind == "status":
        return shown(state).value
    return VPN_ICONS.get(state, state) if kind == "vpn" else state


def _name(kind: str, state: str) -> str:
    if kind == "status":
        return str(Status(state).label)
    if kind == "vpn":
        return f"{settings.VPN_WORD} {VPN_STATES[state]}"
    return f"API {HEARTBEAT_STATES[state]}"


def _worst(kind: str, spans: list[Span], period: Range, scale: Scale) -> list[Span]:
    """The worst state of each bucket as spans; equal neighbours are merged."""
    length = period.length / period.buckets
    states: list[str] = [""] * period.buckets
    rank = {state: number for number, state in enumerate(WORST[kind])}
    for span in spans:
        first = int((span.start - scale.start) / length)
        last = math.ceil(((span.end or scale.end) - scale.start) / length)
        for number in range(max(first, 0), min(max(last, first + 1), period.buckets)):
            if rank.get(span.state, 99) < rank.get(states[number], 99):
                states[number] = span.state
    merged: list[Span] = []
    for number, state in enumerate(states):
        start, last_one = scale.start + number * length, number == period.buckets - 1
        end = None if last_one else start + length
        if merged and merged[-1].state == state:
            merged[-1] = Span(merged[-1].start, end, state)
        else:
            merged.append(Span(start, end, state))
    return merged


def _percent(share: float | None) -> str:
    """A share in per cent with one decimal, rounded down, so that a short loss is not shown as 100 %."""
    if share is None:
        return "no data"
    if 0 < share < 0.001:
        return f"under 0.1{words.NO_BREAK}%"
    return f"{math.floor(share * 1000) / 10:g}{words.NO_BREAK}%"
