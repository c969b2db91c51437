"""The history of one device over a time, which its timeline and its list of changes share.

It includes transitions that the clock has made and nobody has recorded yet, dated at their deadlines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from devices.clock import Moment
from devices.models import ConnectivityRecord, Device, StatusChange
from devices.status.annotated import DeviceWithStatus
from devices.status.reading import with_status

Link = ConnectivityRecord.Link

# Plain SQL, since the ORM takes longer to build such a union than the database takes to run it.
READ: Final = """
SELECT * FROM {table} WHERE device_id = %(device)s AND at > %(start)s AND at <= %(at)s
UNION {before}
UNION (SELECT * FROM {table} WHERE device_id = %(device)s AND at <= %(at)s AND at < %(until)s
       ORDER BY at DESC, id DESC LIMIT %(limit)s)
ORDER BY at DESC, id DESC
"""
BEFORE: Final = """
(SELECT * FROM {table} WHERE device_id = %(device)s AND at <= %(start)s{kind}
 ORDER BY at DESC, id DESC LIMIT 1)
"""


@dataclass(frozen=True)
class DeviceHistory:
    """Changes of the status and transitions of the links, newest first."""

    changes: list[StatusChange]
    transitions: list[ConnectivityRecord]


def read(
    device: DeviceWithStatus, start: datetime, at: Moment, limit: int = 0, until: datetime | None = None
) -> DeviceHistory:
    """The history of a device, which with_status annotated, from `start` to `at`. Two queries.

    It also has the newest change of status and the newest transition of each link before `start`, and the
    newest `limit` changes and transitions before `until` (None: now).
    """
    params = {"device": device.pk, "start": start, "at": at.at, "limit": limit, "until": until or "infinity"}
    transitions = passed_transitions(device, at)
    return DeviceHistory(
        [*passed_statuses(device, transitions), *StatusChange.objects.raw(CHANGES, params)],
        [*transitions, *ConnectivityRecord.objects.raw(TRANSITIONS, params)],
    )


def _written(table: str, kinds: Sequence[str]) -> str:
    before = [BEFORE.format(table=table, kind=kind) for kind in kinds]
    return READ.format(table=table, before="UNION".join(before))


CHANGES: Final = _written("devices_statuschange", [""])
TRANSITIONS: Final = _written("devices_connectivityrecord", [f" AND link = '{link}'" for link in Link])


def passed_transitions(device: DeviceWithStatus, at: Moment) -> list[ConnectivityRecord]:
    """The transitions by deadlines that passed by `at` and are not recorded yet, newest first."""
    poll, server, transitions = device.last_poll, device.vpn_server, []
    if poll and poll.due_at and poll.due_at <= at.heard:
        if poll.due_at == poll.late_at:
            transitions.append(_by_clock(Link.HEARTBEAT, "late", poll.late_at, slug="heartbeat-late"))
        if poll.lost_at <= at.heard:
            transitions.append(_by_clock(Link.HEARTBEAT, "lost", poll.lost_at, slug="heartbeat-lost"))
    if device.vpn_connected and server and server.due_at and server.due_at <= at.heard:
        silent = {"slug": "vpn-server-silent", "server": server.name}
        transitions.append(_by_clock(Link.VPN, "disconnected", server.due_at, **silent))
    return sorted(transitions, key=lambda transition: transition.at, reverse=True)


def _by_clock(link: Link, after: str, at: datetime, **reason: str) -> ConnectivityRecord:
    return ConnectivityRecord(link=link, after=after, at=at, reason=reason)


def passed_statuses(
    device: DeviceWithStatus, transitions: Sequence[ConnectivityRecord]
) -> list[StatusChange]:
    """The changes of status by these unrecorded transitions, newest first.

    A query per transition, mostly none.
    """
    changes, before = [], device.recorded_status
    for transition in reversed(transitions):
        state = with_status(Device.objects.filter(pk=device.pk), transition.at).get()
        after = state.status
        if after != before:
            changes.append(
                StatusChange(before=before, after=after, at=transition.at, reason=transition.reason)
            )
            before = after
    return changes[::-1]
