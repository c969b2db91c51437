"""The newest devices that need attention, as read from their rows, and again only where a row was written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from operator import attrgetter, is_
from typing import Final

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet, Value

from devices.clock import Moment
from devices.listing.among import Among
from devices.listing.grouping import Lost
from devices.listing.newest_recorded import Place, Reach, ids_of, newest_recorded
from devices.listing.what_was_lost import MOMENT, WHAT
from devices.rules.stalled import recorded_stalled
from devices.rules.status_code import LINKS
from devices.rules.vocabulary import LAST_ATTENTION_RANK, RANKS
from devices.status.annotated import DeviceWithStatus
from devices.status.reading import with_status
from fleets.postgres.fragment import Fragment, compiled

LOOKED_AT: Final = 1_000  # newest devices that need attention that are shown; the others are counted
# In shares of LOOKED_AT: how many more are read, so that after some have left not all are read anew; and how
# many there may be at most when they are read again.
SPARE: Final = 0.1
MOST: Final = 2
Row = tuple[str, Lost]  # the version of a device's row, and what was read of it


@dataclass(frozen=True)
class Newest:
    """The newest devices in a scope that need attention, the newest first.

    `lost` has LOOKED_AT of them at most. `spare` are those that come next, up to the place `floor`, behind
    which others are that were not read; without a floor nobody else needs attention. `versions` has all that
    were read by the versions of their rows. `stalled` is the number of all that have stalled, if it is known.
    """

    lost: Sequence[Lost] = ()
    spare: Sequence[Lost] = ()
    floor: Place | None = None
    versions: Mapping[str, Lost] = field(default_factory=dict)
    stalled: int | None = field(default=None, compare=False)

    @property
    def exact(self) -> bool:
        """Whether `lost` has all devices that need attention."""
        return not self.spare and self.floor is None

    @cached_property
    def version_of(self) -> Mapping[int, str]:
        """The versions of the rows by the ids of the devices."""
        return {lost.id: version for version, lost in self.versions.items()}


RANK: Final = f"CASE WHEN {{stalled}} THEN {LAST_ATTENTION_RANK} ELSE d.recorded_cell / {LINKS} END"
# The rows that READ takes, of devices that did not move.
RECORDED: Final = f"""
SELECT d.id, d.uuid, d.name, d.fleet_id, d.recorded_status, {RANK},
    COALESCE(d.recorded_status_at, d.created_at), d.vpn_changed_at, poll.last_poll_at, poll.lost_at,
    d.progress_changed_at, d.public_address, d.vpn_server_id, d.release, d.tags,
    d.id || ' ' || d.xmin
FROM devices_device d LEFT JOIN devices_heartbeat poll ON poll.device_id = d.id
WHERE {{which}}
"""
# The fields of those rows, of devices that moved, whose version tells nothing: the clock has changed them.
FIELDS: Final = (
    *("pk", "uuid", "name", "fleet_id", "status", "rank", "status_since", "vpn_since", "poll__last_poll_at"),
    *("poll__lost_at", "progress_changed_at", "public_address", "vpn_server_id", "release", "tags"),
    "version",
)
# The columns of Lost. A lease ends exactly when the VPN of those devices is lost that the server had.
READ: Final = """
SELECT id, uuid, name, fleet, status, rank, {since}, what, {moment}, {lost_at},
       address, server, release, tags, version
FROM (
    SELECT *, {when} AS moment
    FROM (
        SELECT trouble.*, {what} AS what
        FROM (
            SELECT * FROM ({trouble}) AS every (id, uuid, name, fleet, status, rank, since, vpn_since, polled,
                                                lost_at, progressed, address, server, release, tags, version)
            WHERE rank <= %s ORDER BY since DESC, id DESC LIMIT %s
        ) AS trouble LEFT JOIN devices_vpnserver AS owner ON owner.id = trouble.server
    ) AS lost
) AS dated
ORDER BY since DESC, id DESC
"""
OF_NOW: Final = {
    "what": WHAT.format(
        rank="rank", vpn_at="vpn_since", polled="polled", silent="owner.lease_until = vpn_since"
    ),
    "when": MOMENT.format(what="what", vpn_at="vpn_since", progressed="progressed", since="since"),
}
MICROSECONDS: Final = "(extract(epoch FROM {}) * 1000000)::bigint"
MOMENTS: Final = {name: MICROSECONDS.format(name) for name in ("since", "moment", "lost_at")}


def read_trouble(among: Among, at: Moment, moved: Sequence[int], known: Newest | None = None) -> Newest:
    """The newest devices in scope that need attention at `at`.

    `moved`: the ids of all devices that moved. `known`: an earlier reading of this scope, of which those are
    taken over whose row was not written since, or not differently; `lost` itself if these are all. Their
    heartbeats and VPN servers are not compared. One query where the scope is `counted` and nothing is to be
    read, else two; another two where so many came or went that all are read anew.
    """
    try:
        if known and not moved and (again := _read_again(among, at, known)):
            return again
        return _read_anew(among, at, moved)
    except EmptyResultSet:  # the scope has no devices
        return Newest()


def _read_anew(among: Among, at: Moment, moved: Sequence[int]) -> Newest:
    most = LOOKED_AT + int(LOOKED_AT * SPARE) if among.counted and not moved else LOOKED_AT
    found = newest_recorded(among, at, Reach(most, moved=moved, version="NULL::xid"))
    near: Fragment = ("d.id = ANY(%s)", [found.ids])
    rows = _lost(_trouble(near, among, at, moved), LAST_ATTENTION_RANK, most) if found.ids or moved else []
    lost = [lost for _, lost in rows]
    floor = _floor(lost, more=max(len(lost), len(found.ids)) >= most)
    return _newest(lost, floor, dict(rows), None if moved else found.stalled)


def _newest(
    lost: Sequence[Lost], floor: Place | None, versions: Mapping[str, Lost], stalled: int | None
) -> Newest:
    return Newest(lost[:LOOKED_AT], lost[LOOKED_AT:], floor, versions, stalled)


def _floor(lost: Sequence[Lost], *, more: bool) -> Place | None:
    """The place behind which others are that were not read."""
    return (lost[-1].since, lost[-1].id) if more and lost else None


def _read_again(among: Among, at: Moment, known: Newest) -> Newest | None:
    """Read the rows that were written since `known` was read; None if as many as to read all of them anew."""
    floor = known.floor if among.counted else None
    most = LOOKED_AT * MOST if floor else LOOKED_AT
    found = newest_recorded(among, at, Reach(most, floor))
    written = [version for version in found.versions if version not in known.versions]
    if not written and len(found.versions) == len(known.versions):
        return known if found.stalled == known.stalled else replace(known, stalled=found.stalled)
    if floor and not LOOKED_AT <= len(found.versions) < most:
        return None
    now = _written(written, known, at)
    now |= {version: known.versions[version] for version in found.versions if version in known.versions}
    lost = sorted(now.values(), key=attrgetter("since", "id"), reverse=True)
    again = _newest(lost, floor or _floor(lost, more=len(found.versions) >= most), now, found.stalled)
    same = len(again.lost) == len(known.lost) and all(map(is_, again.lost, known.lost))
    return replace(again, lost=known.lost) if same else again


def _written(versions: Sequence[str], known: Newest, at: Moment) -> dict[str, Lost]:
    """What is read of these rows: what is `known` of the same device, where that is equal."""
    if not versions:
        return {}
    before = {lost.id: lost for lost in known.versions.values()}
    rows = _lost(_which(("d.id = ANY(%s)", [ids_of(versions)]), at), LAST_ATTENTION_RANK, None)
    return {version: before[lost.id] if before.get(lost.id) == lost else lost for version, lost in rows}


def _trouble(near: Fragment, among: Among, at: Moment, moved: Sequence[int]) -> Fragment:
    """All that may be among the newest: what is recorded but for those that moved, and these as they are."""
    sql, params = _which(near, at)
    if not moved:
        return sql, params
    moves = with_status(among.devices.order_by().filter(pk__in=moved), at)
    as_they_are, facts = compiled(moves.annotate(version=Value("")).values_list(*FIELDS))
    return f"{sql} UNION ALL ({as_they_are})", [*params, *facts]


def _which(which: Fragment, at: Moment) -> Fragment:
    """RECORDED of the devices that meet this condition."""
    stalled, stopped_by = recorded_stalled(at.heard)
    return RECORDED.format(stalled=stalled, which=which[0]), [*stopped_by, *which[1]]


def lost_of(devices: QuerySet[DeviceWithStatus]) -> Sequence[Lost]:
    """What these devices, which with_status annotated, have lost, whatever their status. One query."""
    try:
        devices_read = devices.annotate(version=Value("")).values_list(*FIELDS)
        return [lost for _, lost in _lost(compiled(devices_read), len(RANKS), None)]
    except EmptyResultSet:
        return []


def _lost(trouble: Fragment, last_rank: int, most: int | None) -> list[Row]:
    sql, params = trouble
    with connection.cursor() as cursor:
        cursor.execute(READ.format(trouble=sql, **OF_NOW, **MOMENTS), [*params, last_rank, most])
        return [(version, Lost(*row)) for *row, version in cursor.fetchall()]
