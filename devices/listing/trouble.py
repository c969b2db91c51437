"""The newest devices that need attention, as read from their rows, and again only where a row was written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Final

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet, Value

from devices.clock import Moment
from devices.listing import index_scan
from devices.listing.branches import recorded
from devices.listing.cursor import Cursor
from devices.listing.filters import Filters, in_organizations, unchanging
from devices.listing.grouping import Lost
from devices.listing.what_was_lost import MOMENT, WHAT
from devices.models import Device
from devices.rules.stalled import recorded_stalled, stalled_by_record
from devices.rules.status_code import LINKS, VPN, codes
from devices.rules.vocabulary import LAST_ATTENTION_RANK, RANKS, WORST, HeartbeatState
from devices.status.annotated import DeviceWithStatus
from devices.status.reading import with_status
from fleets.models import Organization
from fleets.postgres.fragment import Fragment, compiled

LOOKED_AT: Final = 1_000  # newest devices that need attention that are read; the others are counted
EVERYTHING: Final = Filters()


@dataclass(frozen=True)
class Among:
    """The scope of a reading: the devices of organizations that match filters by fleet and tag alone."""

    organizations: Sequence[Organization]
    filters: Filters = EVERYTHING

    @property
    def devices(self) -> QuerySet[Device]:
        """The devices in scope, in any status."""
        return unchanging(in_organizations(self.organizations), self.filters)

    @property
    def counted(self) -> bool:
        """Whether the scope is whole organizations or fleets, whose counters tell how many need attention."""
        return self.filters == Filters(fleets=self.filters.fleets)


def _newest_recorded(among: Among) -> Fragment:
    """SQL of (id, since) of the newest devices of whole fleets or organizations that need attention.

    By the indexes of lists by attention, per status code: older devices are not read.
    """
    fleets = [fleet.pk for fleet in among.filters.fleets]
    organizations = [organization.pk for organization in among.organizations]
    sql = NEWEST.format(column="fleet" if fleets else "organization")
    return sql, [fleets or organizations, TROUBLE, LOOKED_AT]


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
SELECT near.id, near.recorded_since
FROM unnest(%s::bigint[]) AS scope(id), unnest(%s::smallint[]) AS c(code), LATERAL (
    SELECT d.id, d.recorded_since FROM devices_device d
    WHERE d.{column}_id = scope.id AND d.recorded_cell = c.code
    ORDER BY d.recorded_since DESC, d.id DESC LIMIT %s
) AS near
"""
THESE: Final = "SELECT id, recorded_since FROM devices_device WHERE id = ANY(%s)"
# A condition of all that may be among the newest by what is recorded, but for devices that moved.
NEAR: Final = """
d.id = ANY(ARRAY(
    SELECT id FROM (({newest}) UNION ALL ({stopped})) AS near (id, since)
    WHERE id <> ALL(%s::bigint[]) ORDER BY since DESC, id DESC LIMIT %s
))
"""
RANK: Final = f"CASE WHEN {{stalled}} THEN {LAST_ATTENTION_RANK} ELSE d.recorded_cell / {LINKS} END"
# A row of a device, by the transaction that wrote it.
VERSION: Final = "d.id || ' ' || d.xmin"
VERSIONS: Final = f"""
SELECT string_agg({VERSION}, ',') FROM devices_device d WHERE {RANK} <= {LAST_ATTENTION_RANK} AND {{which}}
"""
# The rows that READ takes, of devices that did not move.
RECORDED: Final = f"""
SELECT d.id, d.uuid, d.name, d.fleet_id, d.recorded_status, {RANK},
    COALESCE(d.recorded_status_at, d.created_at), d.vpn_changed_at, poll.last_poll_at, poll.lost_at,
    d.progress_changed_at, d.public_address, d.vpn_server_id, d.release, d.tags, {VERSION}
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


def read_trouble(
    among: Among, at: Moment, moved: Sequence[int], known: Sequence[Lost] = ()
) -> Sequence[Lost]:
    """The newest devices in scope that need attention at `at`, LOOKED_AT at most, the newest first.

    `moved`: the ids of all devices that moved. `known`: an earlier reading of this scope, of which those are
    taken over whose row was not written since; `known` itself where nothing was. Their heartbeats and VPN
    servers are not compared. One query where the scope is `counted`, two where a row was written.
    """
    try:
        near = _near(among, at, moved)
        if known and not moved:
            return _read_again(near, at, known)
        return _lost(_trouble(near, among, at, moved), LAST_ATTENTION_RANK, LOOKED_AT)
    except EmptyResultSet:  # the scope has no devices
        return []


def _near(among: Among, at: Moment, moved: Sequence[int]) -> Fragment:
    if among.counted:
        newest, found = _newest_recorded(among)
    else:
        newest, found = THESE, [_newest_filtered(among, at, moved)]
    stopped, stopped_params = compiled(
        among.devices.order_by().filter(stalled_by_record(at.heard)).values_list("pk", "recorded_since")
    )
    return NEAR.format(newest=newest, stopped=stopped), [*found, *stopped_params, list(moved), LOOKED_AT]


def _read_again(near: Fragment, at: Moment, known: Sequence[Lost]) -> Sequence[Lost]:
    """Read the rows that were written since `known` was read."""
    sql, params = _which(VERSIONS, near, at)
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        (found,) = cursor.fetchone()
    versions = set(found.split(",")) if found else set()
    before = {lost.version: lost for lost in known}
    if versions == before.keys():
        return known
    written = [int(version.partition(" ")[0]) for version in versions - before.keys()]
    these = _which(RECORDED, ("d.id = ANY(%s)", [written]), at)
    anew = _lost(these, LAST_ATTENTION_RANK, LOOKED_AT) if written else []
    left = [lost for version, lost in before.items() if version in versions]
    return sorted([*left, *anew], key=attrgetter("since", "id"), reverse=True)


def _trouble(near: Fragment, among: Among, at: Moment, moved: Sequence[int]) -> Fragment:
    """All that may be among the newest: what is recorded but for those that moved, and these as they are."""
    sql, params = _which(RECORDED, near, at)
    if not moved:
        return sql, params
    moves = with_status(among.devices.order_by().filter(pk__in=moved), at)
    as_they_are, facts = compiled(moves.annotate(version=Value("")).values_list(*FIELDS))
    return f"{sql} UNION ALL ({as_they_are})", [*params, *facts]


def _which(template: str, which: Fragment, at: Moment) -> Fragment:
    """VERSIONS or RECORDED of the devices that meet this condition."""
    stalled, stopped_by = recorded_stalled(at.heard)
    return template.format(stalled=stalled, which=which[0]), [*stopped_by, *which[1]]


def lost_of(devices: QuerySet[DeviceWithStatus]) -> Sequence[Lost]:
    """What these devices, which with_status annotated, have lost, whatever their status. One query."""
    try:
        devices_read = devices.annotate(version=Value("")).values_list(*FIELDS)
        return _lost(compiled(devices_read), len(RANKS), None)
    except EmptyResultSet:
        return []


def _lost(trouble: Fragment, last_rank: int, most: int | None) -> list[Lost]:
    sql, params = trouble
    with connection.cursor() as cursor:
        cursor.execute(READ.format(trouble=sql, **OF_NOW, **MOMENTS), [*params, last_rank, most])
        return [Lost(*row) for row in cursor.fetchall()]
