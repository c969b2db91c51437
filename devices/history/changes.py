"""Lists of the latest changes of status, for organizations and fleets.

They combine the recorded history with the changes that the clock has made and nobody has recorded yet, so
that what is shown does not depend on a background process (domain.md).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from devices.clock import Moment
from devices.history import flapping
from devices.models import Device, StatusChange
from devices.status.annotated import DeviceWithStatus
from devices.status.reading import unrecorded
from devices.words import frozen_because, of_site
from fleets.models import Organization

REASONS = {
    "heartbeat": "it contacted the API",
    "heartbeat-late": "no poll within the expected interval",
    "heartbeat-lost": "no poll until its window ended",
    "vpn-connected": "{vpn} connected to {server}",
    "vpn-disconnected": "{vpn} disconnected, reported by {server}",
    "vpn-listed": "{vpn} connected, listed by {server}",
    "vpn-unlisted": "{vpn} disconnected, no longer listed by {server}",
    "vpn-server-silent": "{vpn} server {server} stopped reporting",
    "vpn-server-back": "{vpn} server {server} reported again",
    "report": "reported by the device",
    "registered": "registered itself",
    "mirrored": "read from its source",
    "adopted": "migrated from its source",
    "preregistered": "preregistered",
    "deactivated": "deactivated",
    "frozen": "frozen: {reason}",
    "thawed": "thawed: no longer {reason}",
    "moved": "moved to another {fleet}",
    "vpn-setting": "{vpn} setting changed",
    "vpn-began": "the {fleet} began to use the {vpn}",
    "vpn-unset": "the {fleet} does not use the {vpn} yet",
    "rules-changed": "the rules of the status changed",
    "deleted": "deleted",
}


@dataclass(frozen=True)
class Change:
    """One change of a device's status; with `number` above 1 the newest of a run of changes."""

    name: str  # of the device
    uuid: str  # of the device; empty: it was deleted
    fleet_id: int
    before: str | None  # the status before; None: the device was created
    after: str | None  # the status after; None: the device was deleted
    at: datetime
    reason: str  # a phrase
    link: str = ""  # the link whose change caused it, vpn or heartbeat; empty: another reason
    recorded_id: int = field(default=0, compare=False)  # of its StatusChange; 0: not recorded yet
    number: int = 1  # how many changes it stands for

    @property
    def moved(self) -> bool:
        """Whether the device moved to another fleet, without a change of its status."""
        return self.before == self.after


def reason_words(reason: dict[str, Any]) -> str:
    """A recorded reason (`slug` and its parameters) as a phrase; an unknown slug as its own words."""
    slug = str(reason.get("slug", ""))
    server = reason.get("server", "a server")
    phrase = of_site(
        REASONS.get(slug, slug.replace("-", " ")),
        server=server,
        reason=frozen_because(reason.get("reason", "")),
    )
    return f"{phrase} by {reason['by']}" if "by" in reason else phrase


def latest(
    organizations: Sequence[Organization], at: Moment, limit: int, among: Sequence[int]
) -> list[Change]:
    """The newest `limit` changes in these organizations by `at`, newest first, each run as one change.

    `among`: the ids of all devices that moved (status.reading.moved_ids).
    """
    devices = Device.objects.filter(organization__in=organizations)
    recorded = StatusChange.objects.filter(organization__in=organizations, at__lte=at.at)
    newest = unrecorded(devices, at, among).order_by("-status_since", "-pk")[:limit] if among else []
    rows = list(recorded.order_by("-at", "-id")[:RUNS_IN])
    runs = _runs(rows, at)
    shown = [row for row in rows if row.pk not in runs or runs[row.pk] > 1][:limit]
    changes = _changes(shown, newest)[:limit]
    return [replace(change, number=runs.get(change.recorded_id, 1)) for change in changes]


RUNS_IN: Final = 100  # how many of the newest changes are searched for devices that change often
OFTEN: Final = 3  # changes of a device by one link among these, from which on its last hour is read
RUN: Final = flapping.MANY + 1  # changes of a device by one link within an hour that make a run, at least


def _runs(rows: Sequence[StatusChange], at: Moment) -> dict[int, int]:
    """The changes that belong to runs, by id: the newest of a run with the run's size, others with 1."""
    often = {device for (device, _), alike in _by_link(rows).items() if len(alike) >= OFTEN}
    if not often:
        return {}
    recent = StatusChange.objects.filter(device__in=often, at__gt=at.at - flapping.HOUR, at__lte=at.at)
    theirs = {row.pk: row for row in (*recent, *rows) if row.device_id in often}
    found: dict[int, int] = {}
    for alike in _by_link(theirs.values()).values():
        alike.sort(key=lambda row: (row.at, row.pk), reverse=True)
        while alike:
            run = [row for row in alike if row.at > alike[0].at - flapping.HOUR]
            if len(run) >= RUN:
                found |= {row.pk: 1 for row in run} | {run[0].pk: len(run)}
            del alike[: len(run)]
    return found


def _by_link(rows: Iterable[StatusChange]) -> dict[tuple[int, str], list[StatusChange]]:
    """The changes that a link caused, by device id and link."""
    found: dict[tuple[int, str], list[StatusChange]] = defaultdict(list)
    for row in rows:
        if link := link_of(row.reason):
            found[row.device_id, link].append(row)
    return found


def link_of(reason: Mapping[str, Any]) -> str:
    """The link whose change a recorded reason names, vpn or heartbeat; empty: another reason."""
    slug = str(reason.get("slug", ""))
    if slug == "vpn-setting":
        return ""
    return next((link for link in ("vpn", "heartbeat") if slug.startswith(link)), "")


def last_of_fleets(fleets: Sequence[int], at: Moment, among: Sequence[int]) -> dict[int, Change]:
    """The newest change by `at` in each of these fleets (by id); a fleet without any is left out.

    `among`: the ids of all devices that moved (status.reading.moved_ids).
    """
    fleets = list(fleets)
    recorded = StatusChange.objects.raw(NEWEST, {"fleets": fleets, "at": at.at})
    newest: Iterable[DeviceWithStatus] = []
    if among:
        moves = unrecorded(Device.objects.filter(fleet__in=fleets), at, among)
        newest = moves.order_by("fleet_id", "-status_since", "-pk").distinct("fleet_id")
    # Oldest first, so that the newest change of each fleet overwrites the others.
    return {change.fleet_id: change for change in reversed(_changes(recorded, newest))}


NEWEST = """
SELECT newest.* FROM unnest(%(fleets)s::bigint[]) AS fleet (id) CROSS JOIN LATERAL (
    SELECT * FROM devices_statuschange
    WHERE fleet_id = fleet.id AND at <= %(at)s ORDER BY at DESC, id DESC LIMIT 1
) AS newest
"""


def _changes(recorded: Iterable[StatusChange], passed: Iterable[DeviceWithStatus]) -> list[Change]:
    """Recorded changes, and those of devices that moved, newest first, with the devices' present names."""
    recorded = list(recorded)
    devices = Device.objects.in_bulk({change.device_id for change in recorded})
    changes = [_recorded_change(change, devices.get(change.device_id)) for change in recorded]
    changes += [_unrecorded_change(device) for device in passed]
    return sorted(changes, key=lambda change: change.at, reverse=True)


def _recorded_change(change: StatusChange, device: Device | None) -> Change:
    return Change(
        name=str(device) if device else str(change.reason.get("name") or "A deleted device"),
        uuid=device.uuid if device else "",
        fleet_id=change.fleet_id,
        before=change.before,
        after=change.after,
        at=change.at,
        reason=reason_words(change.reason),
        link=link_of(change.reason),
        recorded_id=change.pk,
    )


def _passed(device: DeviceWithStatus) -> dict[str, Any]:
    """The reason that will be recorded: the deadline at which the device got its present status."""
    server, poll = device.vpn_server, device.last_poll
    if server and device.status_since == server.due_at:
        return {"slug": "vpn-server-silent", "server": server.name}
    if poll and device.status_since == poll.late_at:
        return {"slug": "heartbeat-late"}
    return {"slug": "heartbeat-lost"}


def _unrecorded_change(device: DeviceWithStatus) -> Change:
    return Change(
        name=str(device),
        uuid=device.uuid,
        fleet_id=device.fleet_id,
        before=device.recorded_status,
        after=device.status,
        at=device.status_since,
        reason=reason_words(_passed(device)),
        link=link_of(_passed(device)),
    )
