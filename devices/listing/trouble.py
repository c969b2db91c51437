"""The newest devices that need attention, as read from their rows, and again only where a row was written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from operator import attrgetter, is_
from typing import Any, Final

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet, Value

from devices.clock import Moment
from devices.listing import index_scan
from devices.listing.among import Among
from devices.listing.branches import recorded
from devices.listing.cursor import Cursor
from devices.listing.grouping import Lost, moment_of
from devices.listing.what_was_lost import MOMENT, WHAT
from devices.rules.stalled import recorded_stalled, stopped_progress
from devices.rules.status_code import LINKS, VPN, codes
from devices.rules.vocabulary import LAST_ATTENTION_RANK, RANKS, WORST, HeartbeatState
from devices.status.annotated import DeviceWithStatus
from devices.status.reading import with_status
from fleets.postgres.fragment import Fragment, compiled, joined

LOOKED_AT: Final = 1_000  # newest devices that need attention that are shown; the others are counted
# In shares of LOOKED_AT: how many more are read, so that after some have left not all are read anew; and how
# many there may be at most when they are read again.
SPARE: Final = 0.1
MOST: Final = 2
FEW: Final = 1_000  # stalled devices, beyond which all are read anew after a change
# A device's place among the newest: since when it has its status, in microseconds since 1970, and its id.
Place = tuple[int, int]
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


def _newest_recorded(among: Among, reach: Reach) -> Fragment:
    """SQL of (id, since, version) of the newest devices of whole fleets or organizations that need attention.

    By the indexes of lists by attention, per status code: older devices are not read.
    """
    column, scope = among.whole
    before = f"AND {BEFORE}" if reach.floor else ""
    sql = NEWEST.format(column=column, version=reach.version, before=before)
    return sql, [scope, TROUBLE, *of_place(reach.floor), reach.most]


@dataclass(frozen=True)
class Reach:
    """How far a reading reaches: to so many devices, and to a place.

    `version` is the SQL of a row's version; where it is null, rows are not read.
    """

    most: int
    floor: Place | None = None
    version: str = "NULL::xid"


def of_place(floor: Place | None) -> list[Any]:
    """The parameters of BEFORE and BEHIND; none without a floor."""
    return [moment_of(floor[0]), floor[1]] if floor else []


def _newest_filtered(among: Among, at: Moment, moved: Sequence[int]) -> list[int]:
    """Ids of the newest devices of each status that needs attention, by index scans of the list."""
    listed, found = recorded(among.organizations, among.filters, at, moved), list[int]()
    for status in WORST:
        of_status = set(codes([status], VPN, HeartbeatState.values))
        branches = [
            replace(branch, codes=[code for code in branch.codes if code in of_status])
            for branch in listed.branches
        ]
        cursor = Cursor("attention", backwards=False, values=None, size=LOOKED_AT)
        found += index_scan.ids(replace(listed, branches=branches), [], cursor)[0]
    return found


TROUBLE: Final = codes(WORST, VPN, HeartbeatState.values)
NEWEST: Final = """
SELECT near.id, near.recorded_since, near.version
FROM unnest(%s::bigint[]) AS scope(id), unnest(%s::smallint[]) AS c(code), LATERAL (
    SELECT d.id, d.recorded_since, {version} AS version FROM devices_device d
    WHERE d.{column}_id = scope.id AND d.recorded_cell = c.code {before}
    ORDER BY d.recorded_since DESC, d.id DESC LIMIT %s
) AS near
"""
BEFORE: Final = "(d.recorded_since, d.id) >= (%s, %s)"
BEHIND: Final = "(d.recorded_since, d.id) < (%s, %s)"
THESE: Final = "SELECT id, recorded_since, xmin FROM devices_device WHERE id = ANY(%s)"
# A condition of all that may be among the newest by what is recorded, but for devices that moved.
NEAR: Final = """
d.id = ANY(ARRAY(
    SELECT id FROM (
        ({newest}) UNION ALL (SELECT d.id, d.recorded_since, d.xmin FROM devices_device d WHERE {stopped})
    ) AS near (id, since, version)
    WHERE id <> ALL(%s::bigint[]) ORDER BY since DESC, id DESC LIMIT %s
))
"""
RANK: Final = f"CASE WHEN {{stalled}} THEN {LAST_ATTENTION_RANK} ELSE d.recorded_cell / {LINKS} END"
# The rows of the newest, each by the transaction that wrote it, and how many have stalled: FEW + 1 at most.
VERSIONS: Final = """
WITH stopped AS MATERIALIZED (
    SELECT d.id, d.recorded_since, d.xmin FROM devices_device d WHERE {stopped} LIMIT %s
)
SELECT string_agg(near.id || ' ' || near.version, ','), (SELECT count(*) FROM stopped) FROM (
    SELECT id, version FROM (
        ({newest}) UNION ALL (SELECT * FROM stopped AS d {before})
    ) AS every (id, since, version)
    ORDER BY since DESC, id DESC LIMIT %s
) AS near
"""
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
    heartbeats and VPN servers are not compared. One query where the scope is `counted`, and two where a row
    was written, or so many came or went that all are read anew.
    """
    try:
        if known and not moved and (again := _read_again(among, at, known)):
            return again
        most = LOOKED_AT + int(LOOKED_AT * SPARE) if among.counted and not moved else LOOKED_AT
        near = _near(among, at, moved, most)
        rows = _lost(_trouble(near, among, at, moved), LAST_ATTENTION_RANK, most)
        return _newest([lost for _, lost in rows], dict(rows), most)
    except EmptyResultSet:  # the scope has no devices
        return Newest()


def _newest(lost: Sequence[Lost], versions: Mapping[str, Lost], most: int) -> Newest:
    """The reading of these devices, of which at most so many were asked for."""
    floor = (lost[-1].since, lost[-1].id) if len(lost) >= most else None
    return Newest(lost[:LOOKED_AT], lost[LOOKED_AT:], floor, versions)


def _near(among: Among, at: Moment, moved: Sequence[int], most: int) -> Fragment:
    """The condition of the newest by what is recorded, but for devices that moved."""
    newest, found = _in_status(among, at, moved, Reach(most))
    stopped, params = _stopped(among, at)
    return NEAR.format(newest=newest, stopped=stopped), [*found, *params, list(moved), most]


def _in_status(among: Among, at: Moment, moved: Sequence[int], reach: Reach) -> Fragment:
    """SQL of (id, since, version) of the newest that need attention by their recorded status."""
    if among.counted:
        return _newest_recorded(among, reach)
    return THESE, [_newest_filtered(among, at, moved)]


def _stopped(among: Among, at: Moment) -> Fragment:
    """The condition of the devices in scope that have stalled by what is recorded."""
    return joined([among.recorded, stopped_progress(at.heard), recorded_stalled(at.heard)])


def _read_again(among: Among, at: Moment, known: Newest) -> Newest | None:
    """Read the rows that were written since `known` was read; None if as many as to read all of them anew."""
    floor = known.floor if among.counted else None
    most = LOOKED_AT * MOST if floor else LOOKED_AT
    newest, found_by = _in_status(among, at, (), Reach(most, floor, "d.xmin"))
    stopped, stopped_by = _stopped(among, at)
    sql = VERSIONS.format(stopped=stopped, newest=newest, before=f"WHERE {BEFORE}" if floor else "")
    with connection.cursor() as cursor:
        cursor.execute(sql, [*stopped_by, FEW + 1, *found_by, *of_place(floor), most])
        found, stalled = cursor.fetchone()
    if stalled > FEW:
        return None
    versions = found.split(",") if found else []
    written = [version for version in versions if version not in known.versions]
    if not written and len(versions) == len(known.versions):
        return known if stalled == known.stalled else replace(known, stalled=stalled)
    if floor and not LOOKED_AT <= len(versions) < most:
        return None
    now = _written(written, known, at)
    now |= {version: known.versions[version] for version in versions if version not in now}
    lost = sorted(now.values(), key=attrgetter("since", "id"), reverse=True)
    again = _newest(lost, now, most)
    same = len(again.lost) == len(known.lost) and all(map(is_, again.lost, known.lost))
    shown = known.lost if same else again.lost
    return replace(again, lost=shown, floor=floor or again.floor, stalled=stalled)


def _written(versions: Sequence[str], known: Newest, at: Moment) -> dict[str, Lost]:
    """What is read of these rows: what is `known` of the same device, where that is equal."""
    if not versions:
        return {}
    ids = [int(version.partition(" ")[0]) for version in versions]
    before = {lost.id: lost for lost in known.versions.values()}
    rows = _lost(_which(("d.id = ANY(%s)", [ids]), at), LAST_ATTENTION_RANK, None)
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
