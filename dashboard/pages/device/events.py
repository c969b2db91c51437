"""The events of one device: changes of its status and transitions of its links in one list, newest first.

A transition that changed the status is one event: the status, with the transition as its reason. Deadlines
that have passed but are not recorded yet are in the list as well, dated at the deadline.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from asgiref.sync import sync_to_async
from django.conf import settings

from dashboard.templating.indicators import HEARTBEAT_STATES, VPN_ICONS, VPN_STATES
from devices.clock import Moment
from devices.history import device_history
from devices.history.changes import RUN, link_of, reason_words
from devices.history.device_history import DeviceHistory
from devices.history.flapping import HOUR
from devices.models import ConnectivityRecord, Device, StatusChange
from devices.rules.vocabulary import Status, shown
from devices.status.annotated import DeviceWithStatus

Link = ConnectivityRecord.Link


@dataclass(frozen=True)
class Event:
    """An event: its kind ("status", "vpn" or "heartbeat"), the state it led to, and its words.

    `before` is the status before, if the event shows it. `until` is the next change of the status, None while
    it lasts and for links.
    """

    kind: str
    state: str
    before: str | None
    words: str
    reason: str
    at: datetime
    until: datetime | None = None
    link: str = ""  # the link that changed, or whose transition changed the status: vpn, heartbeat, or ""
    run: tuple[Event, ...] = ()  # events that it summarizes, newest first: changes of one link within an hour

    @property
    def first(self) -> datetime:
        """The moment of the event, or of the oldest one that it summarizes."""
        return self.run[-1].at if self.run else self.at


@dataclass(frozen=True)
class Page:
    """A page of events, newest first; `older` is the `until` of the next page, None if it is the last."""

    events: tuple[Event, ...]
    older: datetime | None


def history(
    device: DeviceWithStatus, recorded_history: DeviceHistory, limit: int, until: datetime | None = None
) -> Page:
    """The newest events of a device, or the newest before `until`; about `limit` of them.

    `recorded_history` must have one row more than `limit` of each kind. Events of one instant are never
    split between pages, so a page may have fewer or more.
    """
    changes, transitions = (
        _before(until, item)[: limit + 1] for item in (recorded_history.changes, recorded_history.transitions)
    )
    status_moments = {change.at for change in changes}
    following = None if until is None else _first_from(device, recorded_history, until)
    events = _statuses(changes, following) + [
        _transition(transition) for transition in transitions if transition.at not in status_moments
    ]
    events.sort(key=lambda event: event.at, reverse=True)
    if len(events) <= limit:
        return Page(tuple(events), None)
    page = [event for event in events[:limit] if event.at > events[limit].at] or events[:limit]
    return Page(tuple(page), page[-1].at)


def runs_as_one(page: Page, limit: int) -> Page:
    """The page with each run of changes of one link as one event; the newest `limit` events of it."""
    left, events = list(page.events), list[Event]()
    while left and len(events) < limit:
        newest = left[0]
        run = [item for item in left if item.link == newest.link and item.at > newest.at - HOUR]
        if newest.link and len(run) >= RUN:
            events.append(_run(run))
            left = [item for item in left if item not in run]
        else:
            events.append(left.pop(0))
    while left and left[0].at >= min(event.first for event in events):
        events.append(left.pop(0))  # lies within a run, or is of the same instant as the last event
    return Page(tuple(events), min(event.first for event in events) if left else page.older)


def _run(events: list[Event]) -> Event:
    newest = events[0]
    name = settings.VPN_WORD if newest.link == Link.VPN else "the API heartbeat"
    words = f"{len(events)} changes of {name} in 1\u00a0h"
    return replace(newest, before=None, words=words, reason="", run=tuple(events))


def _before(until: datetime | None, rows: list[Any]) -> list[Any]:
    return [row for row in rows if until is None or row.at < until]


def _first_from(device: Device, recorded_history: DeviceHistory, until: datetime) -> datetime | None:
    """The first change of status at or after `until`, at which the newest status before it ended."""
    later = StatusChange.objects.filter(device=device, at__gte=until).order_by("at", "id")
    # Changes by deadlines that are not recorded yet.
    passed = [change.at for change in recorded_history.changes if change.at >= until]
    return later.values_list("at", flat=True).first() or min(passed, default=None)


def _statuses(changes: list[StatusChange], following: datetime | None) -> list[Event]:
    """The changes, newest first, as events with the end of each status; `following` ends the newest."""
    ends = [following, *(change.at for change in changes)]
    return [_status(change, end) for change, end in zip(changes, ends, strict=False)]


def _status(change: StatusChange, until: datetime | None) -> Event:
    reason = reason_words(change.reason)
    after = change.after or ""
    if change.before is None:
        return Event("status", shown(after), None, f"New: {shown(after).label}", reason, change.at, until)
    if change.before == change.after:
        words = f"Moved to another {settings.FLEET_WORD.lower()}"
        return Event("status", shown(after), None, words, reason, change.at, until)
    return Event(
        "status",
        shown(after),
        shown(change.before),
        shown(after).label,
        reason,
        change.at,
        until,
        link_of(change.reason),
    )


def _transition(transition: ConnectivityRecord) -> Event:
    reason = reason_words(transition.reason)
    if transition.link == Link.VPN:
        state = VPN_ICONS[transition.after]
        return Event(
            "vpn",
            state,
            None,
            f"{settings.VPN_WORD} {VPN_STATES[state]}",
            reason,
            transition.at,
            link=Link.VPN,
        )
    words = f"API {HEARTBEAT_STATES[transition.after]}"
    return Event("heartbeat", transition.after, None, words, reason, transition.at, link=Link.HEARTBEAT)


COLUMNS: Final = ("at", "until", "what", "state", "before", "change", "reason")
BATCH: Final = 1000  # events in memory


async def batches(
    device: DeviceWithStatus, at: Moment, size: int = BATCH
) -> AsyncIterator[list[tuple[str, ...]]]:
    """All stored events of a device, as rows with COLUMNS, in batches of about `size`.

    `device` was read by with_status. Each batch is read by its own queries, so that a slow reader keeps no
    transaction open.
    """
    page: Page | None = None
    while page is None or page.older:
        page = await sync_to_async(_next)(device, at, size, page)
        yield [_row(event) for event in page.events]


def _next(device: DeviceWithStatus, at: Moment, size: int, page: Page | None) -> Page:
    until = page.older if page else None
    return history(device, device_history.read(device, at.at, at, size + 1, until), size, until)


def _row(event: Event) -> tuple[str, ...]:
    return (
        event.at.isoformat(),
        event.until.isoformat() if event.until else "",
        event.kind,
        event.state,
        Status(event.before).label if event.before else "",
        event.words,
        event.reason,
    )
