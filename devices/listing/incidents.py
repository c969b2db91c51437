"""The lines of the Attention page: the newest devices that need attention, those lost together as one line.

devices/listing/grouping.py groups them. Devices that are flapping, and those that have needed attention for
less than a minute, are listed separately: a list in which these come and go cannot be read.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from operator import attrgetter
from typing import Any, Final

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import Q, QuerySet, Sum

from devices.clock import Moment
from devices.listing import index_scan
from devices.listing.branches import recorded
from devices.listing.cursor import Cursor
from devices.listing.filters import Filters, in_organizations, unchanging
from devices.listing.grouping import Line, Lost, by_tag, grouped, moment_of
from devices.listing.kept_lines import KEPT, Lines
from devices.listing.what_was_lost import MOMENT, WHAT
from devices.models import Device, FleetCount
from devices.rules.stalled import may_have_stalled, recorded_stalled
from devices.rules.status_code import LINKS, VPN, codes
from devices.rules.vocabulary import LAST_ATTENTION_RANK, RANKS, WORST, HeartbeatState
from devices.status.annotated import DeviceWithStatus
from devices.status.reading import moved_ids, with_status
from fleets.models import Organization
from fleets.postgres.fragment import Fragment, compiled
from fleets.postgres.keyset import Key, Order, Page, page_of, reverse

LOOKED_AT: Final = 1_000  # newest devices that need attention that are read; the others are counted
YOUNG: Final = timedelta(minutes=1)  # a device that has needed attention for less is listed separately
# The orders by name. A leading "-" in the address reverses one.
ORDERS: Final[dict[str, Order]] = {
    "attention": (Key("rank", int), Key("newest", datetime, descending=True), Key("id", str)),
    "since": (Key("first", datetime, descending=True), Key("id", str)),
    "devices": (
        Key("number", int, descending=True),
        Key("newest", datetime, descending=True),
        Key("id", str),
    ),
}


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


@dataclass(frozen=True)
class Attended:
    """The devices that need attention, as they were read, and their lines."""

    lost: Sequence[Lost] = ()  # all of them, LOOKED_AT at most, the newest first
    lines: Sequence[Line] = ()  # without those of `young`
    young: Sequence[Lost] = ()  # those that have needed attention for less than YOUNG

    @property
    def oldest(self) -> datetime | None:
        """When the status of the oldest device that was read changed; None: all devices were read."""
        return moment_of(min(item.since for item in self.lost)) if len(self.lost) >= LOOKED_AT else None

    def page(self, sort: str, size: int, *, after: str = "", before: str = "") -> Page[Any]:
        """A page of `size` lines in the order `sort`; `after`, `before`: cursors. Raises UnreadableCursor."""
        order = ORDERS[sort.removeprefix("-")]
        order = reverse(order) if sort.startswith("-") else order
        return page_of(self._take, order, size, after=after, before=before)

    def named(self, ids: Sequence[str]) -> list[Line]:
        """The lines with these ids, in that order, without those that no longer exist: for a refresh."""
        return [self._by_id[pk] for pk in ids if pk in self._by_id]

    @cached_property
    def _by_id(self) -> Mapping[str, Line]:
        return {line.id: line for line in self.lines}

    def _take(self, order: Order, size: int, values: list[Any] | None) -> list[Line]:
        found = list(self.lines)
        for key in reversed(order):
            found.sort(key=attrgetter(key.name), reverse=key.descending)
        if values:
            found = [line for line in found if _behind(line, order, values)]
        return found[:size]


def attended(
    among: Among,
    at: Moment,
    moved: Sequence[int] | None = None,
    *,
    by: str = "",
    without: Collection[int] = (),
) -> Attended:
    """The devices in the scope `among` that need attention at `at`, as lines, but for the ids `without`.

    `by`: lines are grouped by the tag with this key, else by what was lost together. `moved`: the ids of all
    devices that moved, if the caller has read them.
    """
    moved = moved_ids(at) if moved is None else moved

    def read_lines() -> Lines:
        read = _read(among, at, moved)
        lost = [item for item in read if item.id not in without]
        return read, by_tag(lost, by) if by else grouped(lost, fleet_sizes)

    if moved:
        read, lines = read_lines()
    else:
        owners = tuple(organization.pk for organization in among.organizations)
        key = (owners, among.filters, by, frozenset(without), at.heard if at.in_outage else None)
        read, lines = KEPT.lines(key, owners, at.at, read_lines)
    young = [line for line in lines if line.began_after(at.at - YOUNG)]
    recent = {line.id for line in young}
    return Attended(
        lost=read,
        lines=[line for line in lines if line.id not in recent],
        young=list({item.id: item for line in young for item in line.lost}.values()),
    )


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
# The rows that READ takes, of devices that did not move.
RECORDED: Final = f"""
SELECT d.id, d.uuid, d.name, d.fleet_id, d.recorded_status,
    CASE WHEN {{stalled}} THEN {LAST_ATTENTION_RANK} ELSE d.recorded_cell / {LINKS} END,
    COALESCE(d.recorded_status_at, d.created_at), d.vpn_changed_at, poll.last_poll_at, poll.lost_at,
    d.progress_changed_at, d.public_address, d.vpn_server_id, d.release, d.tags
FROM devices_device d LEFT JOIN devices_heartbeat poll ON poll.device_id = d.id
WHERE d.id = ANY(ARRAY(
    SELECT id FROM (({{newest}}) UNION ALL ({{stopped}})) AS near (id, since)
    WHERE id <> ALL(%s::bigint[]) ORDER BY since DESC, id DESC LIMIT %s
))
"""
# The fields of those rows, of devices that moved.
FIELDS: Final = (
    *("pk", "uuid", "name", "fleet_id", "status", "rank", "status_since", "vpn_since", "poll__last_poll_at"),
    *("poll__lost_at", "progress_changed_at", "public_address", "vpn_server_id", "release", "tags"),
)
# The columns of Lost. A lease ends exactly when the VPN of those devices is lost that the server had.
READ: Final = """
SELECT id, uuid, name, fleet, status, rank, {since}, what, {moment}, {lost_at}, address, server, release, tags
FROM (
    SELECT *, {when} AS moment
    FROM (
        SELECT trouble.*, {what} AS what
        FROM (
            SELECT * FROM ({trouble}) AS every (id, uuid, name, fleet, status, rank, since, vpn_since, polled,
                                                lost_at, progressed, address, server, release, tags)
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


def _read(among: Among, at: Moment, moved: Sequence[int]) -> list[Lost]:
    """The newest devices in scope that need attention at `at`, LOOKED_AT at most; `moved` as in `attended`.

    One query where the scope is `counted`.
    """
    try:
        return _lost(_trouble(among, at, moved), LAST_ATTENTION_RANK, LOOKED_AT)
    except EmptyResultSet:  # the scope has no devices
        return []


def lost_of(devices: QuerySet[DeviceWithStatus]) -> list[Lost]:
    """What these devices, which with_status annotated, have lost, whatever their status. One query."""
    try:
        return _lost(compiled(devices.values_list(*FIELDS)), len(RANKS), None)
    except EmptyResultSet:
        return []


def _lost(trouble: Fragment, last_rank: int, most: int | None) -> list[Lost]:
    sql, params = trouble
    with connection.cursor() as cursor:
        cursor.execute(READ.format(trouble=sql, **OF_NOW, **MOMENTS), [*params, last_rank, most])
        return [Lost(*row) for row in cursor.fetchall()]


def _trouble(among: Among, at: Moment, moved: Sequence[int]) -> Fragment:
    """All that may be among the newest: what is recorded but for those that moved, and these as they are."""
    if among.counted:
        newest, found = _newest_recorded(among)
    else:
        newest, found = THESE, [_newest_filtered(among, at, moved)]
    stalled, stopped_by = recorded_stalled(at.heard)
    long_ago = may_have_stalled(at.heard) & Q(progress_changed_at__lte=stopped_by[0])
    stopped, stopped_params = compiled(
        among.devices.order_by().filter(long_ago).values_list("pk", "recorded_since")
    )
    sql = RECORDED.format(stalled=stalled, newest=newest, stopped=stopped)
    params = [*stopped_by, *found, *stopped_params, list(moved), LOOKED_AT]
    if not moved:
        return sql, params
    moves = with_status(among.devices.order_by().filter(pk__in=moved), at)
    as_they_are, facts = compiled(moves.values_list(*FIELDS))
    return f"{sql} UNION ALL ({as_they_are})", [*params, *facts]


def fleet_sizes(fleets: Collection[int]) -> Mapping[int, int]:
    """How many devices these fleets have, by the counters."""
    counts = FleetCount.objects.filter(fleet__in=fleets).order_by()
    return dict(counts.values_list("fleet").annotate(n=Sum("number")))


def _behind(line: Line, order: Order, values: Sequence[Any]) -> bool:
    """Whether a line is behind the line with these sort keys, in this order."""
    for key, value in zip(order, values, strict=True):
        own = getattr(line, key.name)
        if own != value:
            return bool((own > value) != key.descending)
    return False
