"""Changes of statuses as facts of rules: those that were signalled, or those of the past for a rehearsal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from django.db import connection
from msgspec import Struct

from devices.alerts import parameters
from devices.alerts.lifecycle import Fact, Reason
from devices.alerts.scopes import Asked
from devices.history.silences import LAST_POLL
from devices.listing import what_was_lost
from devices.listing.grouping import Lost
from devices.listing.trouble import MICROSECONDS
from devices.models import AlertRule, Condition
from devices.rules.vocabulary import RANKS, WORST, Status

RANKED: Final = [str(status or "") for status in RANKS]
NONE: Final[Mapping[int, set[int]]] = {}
NO_MORE: Final[Mapping[str | None, str]] = {
    None: Reason.DELETED,
    Status.INACTIVE: Reason.DEACTIVATED,
    Status.FROZEN: Reason.FROZEN,
}
# A change with what its device had lost by then. The last poll before it is the one that is kept, or, where
# the device has polled since, the one that its heartbeat became late after.
READ: Final = """
SELECT c.organization_id, c.device_id, c.left_fleet_id IS NOT NULL, c.before, c.after, c.at,
       d.uuid, d.name, c.fleet_id, c.after, array_position(%(ranks)s::text[], c.after) - 1, {since},
       lost.what, {moment}, NULL::bigint, host(d.public_address), d.vpn_server_id, d.release, d.tags::text
FROM ({chosen}) AS chosen(id, at) JOIN devices_statuschange c ON c.id = chosen.id AND c.at = chosen.at
LEFT JOIN devices_device d ON d.id = c.device_id
LEFT JOIN devices_heartbeat h ON h.device_id = c.device_id
LEFT JOIN LATERAL (
    SELECT CASE WHEN r.after = 'disconnected' THEN r.at END AS at, r.reason ->> 'slug' AS slug
    FROM devices_connectivityrecord r
    WHERE r.device_id = c.device_id AND r.link = 'vpn' AND r.at <= c.at ORDER BY r.at DESC, r.id DESC LIMIT 1
) AS vpn ON c.after = ANY(%(worst)s)
LEFT JOIN LATERAL (
    SELECT r.at FROM devices_connectivityrecord r
    WHERE r.device_id = c.device_id AND r.link = 'heartbeat' AND r.after = 'late' AND r.at <= c.at
    ORDER BY r.at DESC, r.id DESC LIMIT 1
) AS late ON c.after = 'offline' AND h.last_poll_at > c.at,
LATERAL (SELECT {polled} AS at) AS polled,
LATERAL (SELECT {what} AS what) AS lost
ORDER BY c.device_id, c.at, c.id
"""
POLLED: Final = LAST_POLL.format(by="c.at", late_at="late.at")
SINCE: Final = MICROSECONDS.format("c.at")
WHAT: Final = what_was_lost.WHAT.format(
    rank="(array_position(%(ranks)s::text[], c.after) - 1)",
    vpn_at="vpn.at",
    polled="polled.at",
    silent="vpn.slug = 'vpn-server-silent'",
)
MOMENT: Final = MICROSECONDS.format(
    what_was_lost.MOMENT.format(what="lost.what", vpn_at="vpn.at", progressed="c.at", since="c.at")
)
SIGNALLED: Final = "SELECT id, at FROM unnest(%(ids)s::bigint[], %(ats)s::timestamptz[]) AS named(id, at)"


class Change(Struct, frozen=True, gc=False):
    """A change of a status or a fleet, and what its device had lost by then."""

    organization: int
    device: int
    moved: bool
    before: str | None
    after: str | None
    at: datetime
    lost: Lost | None  # None: the device is no more


def signalled(named: Iterable[tuple[int, datetime]]) -> list[Change]:
    """The changes with these ids, which happened then; by device, in order."""
    ids, ats = zip(*named, strict=True) if (named := list(named)) else ((), ())
    return read(SIGNALLED, ids=list(ids), ats=list(ats)) if ids else []


def read(chosen: str, **params: Any) -> list[Change]:
    """The changes that a SELECT of ids and times names; by device, in order."""
    with connection.cursor() as cursor:
        cursor.execute(
            READ.format(chosen=chosen, since=SINCE, what=WHAT, moment=MOMENT, polled=POLLED),
            params | {"worst": list(WORST), "ranks": RANKED},
        )
        return [_change(row) for row in cursor]


def _change(row: tuple[Any, ...]) -> Change:
    there = row[6] is not None and row[4] is not None  # it has a row, and a status
    organization, device, moved, before, after, at = row[:6]
    lost = Lost(device, *row[6:]) if there else None
    return Change(organization, device, moved, before, after, at, lost)


def statuses_of(rule: AlertRule) -> frozenset[str]:
    """The statuses that a rule holds a device for."""
    if rule.condition == Condition.TOGETHER:
        return frozenset(WORST)
    return frozenset(parameters.read(rule.condition, rule.parameters).statuses)


def facts(
    changes: Sequence[Change], rules: Iterable[AlertRule], held: Mapping[int, set[int]] = NONE
) -> Iterator[Fact]:
    """What changes of statuses say to rules of the conditions `status` and `together`.

    `held`: by rule, the devices that it holds; to others that it is not about nothing ends.
    """
    of_organization: dict[int, dict[int, list[Change]]] = defaultdict(lambda: defaultdict(list))
    for change in changes:
        of_organization[change.organization][change.device].append(change)
    asked = {organization: Asked(organization, mine) for organization, mine in of_organization.items()}
    for rule in rules:
        if mine := of_organization.get(rule.organization_id):
            within = asked[rule.organization_id].within(rule)
            yield from _facts_of(rule, mine, within, held.get(rule.pk, set()))


def _facts_of(
    rule: AlertRule, changes: Mapping[int, Sequence[Change]], within: set[int] | None, held: set[int]
) -> Iterator[Fact]:
    wanted = statuses_of(rule)
    for device in changes if within is None else changes.keys() & (within | held):
        covered = within is None or device in within
        for change in changes[device]:
            if change.after in wanted and covered and change.lost:
                yield Fact(change.at, rule.pk, device, change.lost)
            elif change.before in wanted or change.after in NO_MORE or change.moved:
                yield Fact(change.at, rule.pk, device, None, _reason(change, covered, wanted))


def _reason(change: Change, covered: bool, wanted: Collection[str]) -> str:  # noqa: FBT001
    if change.after in NO_MORE:
        return NO_MORE[change.after]
    if covered or change.after not in wanted:
        return Reason.RECOVERED
    return Reason.MOVED if change.moved else Reason.CHANGED
