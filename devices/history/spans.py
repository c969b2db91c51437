"""The states of a device and its two links over a time, as spans of one state each, and uptime (product.md).

They include what the clock has done and nobody has recorded yet. Outages of ours are listed beside them,
since they do not count.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from devices.clock import Moment
from devices.history.changes import reason_words
from devices.history.device_history import DeviceHistory
from devices.models import ConnectivityRecord, Device, Outage, SourceOutage
from devices.rules import vpn_states
from devices.rules.vocabulary import HeartbeatState, Status
from devices.status.annotated import DeviceWithStatus

Link = ConnectivityRecord.Link

# Uptime: the states that count as up, and those that do not count at all, as they say nothing of the link.
UP: Final[dict[str, set[Any]]] = {
    "status": {
        Status.ONLINE,
        Status.VPN_ONLY,
        Status.HEARTBEAT_ONLY,
        Status.CONFIGURING,
        Status.UPDATING,
    },
    "vpn": {"connected"},
    "heartbeat": {HeartbeatState.RECENT, HeartbeatState.LATE},
}
OUTSIDE: Final[dict[str, set[Any]]] = {
    "status": {Status.INACTIVE, Status.FROZEN, Status.POST_PROVISIONING},
    "vpn": {"unknown"},
    "heartbeat": {HeartbeatState.UNKNOWN},
}


@dataclass(frozen=True)
class Span:
    """A time, from `start` up to `end`, in one state for one reason (a phrase); `end` None: it lasts."""

    start: datetime
    end: datetime | None
    state: str
    reason: str = ""


@dataclass(frozen=True)
class History:
    """The spans of a device by kind (status, vpn, heartbeat), and the outages of ours as (start, end)."""

    spans: dict[str, list[Span]]
    outages: list[tuple[datetime, datetime]]

    def uptime(self, kind: str, start: datetime, at: datetime) -> float | None:
        """The share, 0 to 1, of the observed and active time from `start` to `at` in which `kind` was up.

        `kind` is status, vpn or heartbeat. None: there was no such time.
        """
        inactive = [
            (span.start, span.end or at) for span in self.spans["status"] if span.state == Status.INACTIVE
        ]
        holes = sorted([*self.outages, *inactive])
        up = counted = timedelta()
        for span in self.spans[kind]:
            if span.state in OUTSIDE[kind]:
                continue
            heard = _without(max(span.start, start), span.end or at, holes)
            counted += heard
            up += heard if span.state in UP[kind] else timedelta()
        return up / counted if counted else None


def spans_of(device: DeviceWithStatus, history: DeviceHistory, start: datetime, at: Moment) -> History:
    """The spans of a device, which with_status annotated, from `start` to `at`, given its history.

    One query.
    """
    changes, transitions = history.changes[::-1], history.transitions[::-1]
    by_link = {link: [transition for transition in transitions if transition.link == link] for link in Link}
    # Without any transition a link is what it was before the histories begin; a VPN never seen is unknown.
    vpn = vpn_states.recorded_as(connected=device.vpn, changed_at=device.vpn_since) or "unknown"
    spans = {
        "status": _spans(changes, start, device.status),
        "vpn": _spans(by_link[Link.VPN], start, vpn, first="unknown"),
        "heartbeat": _spans(by_link[Link.HEARTBEAT], start, device.heartbeat),
    }
    return History(spans, sorted([*_outages(start, at), *_unread(device, start, at)]))


def _spans(rows: Sequence[Any], start: datetime, now: str, first: str | None = None) -> list[Span]:
    """Changes, the oldest first, as spans without overlap or gap; without changes one span of `now`.

    Of the changes before `start` the newest counts. What was before the first change reaches back to `start`;
    `first`, if given, replaces it, as for a link that was never seen before.
    """
    if not rows:
        return [Span(start, None, now)]
    rows = rows[max(sum(row.at <= start for row in rows) - 1, 0) :]
    begun = rows[0].before if rows[0].at > start else None
    moments = [(start, begun if first is None else first, "")] if begun else []
    moments += [(max(row.at, start), row.after, reason_words(row.reason)) for row in rows]
    spans: list[Span] = []
    for moment, state, reason in moments:
        if spans and spans[-1].state == state:
            continue  # it moved to another fleet
        if spans:
            spans[-1] = Span(spans[-1].start, moment, spans[-1].state, spans[-1].reason)
        spans.append(Span(moment, None, state or "", reason))
    return [span for span in spans if span.end is None or span.end > span.start]


def _outages(start: datetime, at: Moment) -> list[tuple[datetime, datetime]]:
    """The outages of ours from `start` to `at` as (start, end), in order."""
    over = Outage.objects.filter(ended_at__gt=start, began_at__lt=at.at).order_by("began_at")
    outages = [(max(outage.began_at, start), min(outage.ended_at, at.at)) for outage in over]
    if at.in_outage and (not outages or outages[-1][1] < at.at):
        outages.append((max(at.heard, start), at.at))
    return outages


def _unread(device: Device, start: datetime, at: Moment) -> list[tuple[datetime, datetime]]:
    """The outages from `start` to `at` of the source that the device is read from, unless it polls here."""
    row = getattr(device, "mirrored", None)
    if row is None or device.last_poll:
        return []
    over = SourceOutage.objects.filter(source=row.source_id, ended_at__gt=start, began_at__lt=at.at)
    outages = [(max(outage.began_at, start), min(outage.ended_at, at.at)) for outage in over]
    if row.source.is_silent(at.at):
        outages.append((max(row.source.swept_at, start), at.at))
    return outages


def _without(start: datetime, end: datetime, holes: Iterable[tuple[datetime, datetime]]) -> timedelta:
    """How much of the time from `start` to `end` lies in none of `holes`, which are in order."""
    left = timedelta()
    for begins, ends in holes:
        if begins >= end:
            break
        if ends > start:
            left += max(begins - start, timedelta())
            start = max(start, ends)
    return left + max(end - start, timedelta())
