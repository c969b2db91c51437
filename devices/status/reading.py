"""Reading devices as they are at a moment: their recorded columns, corrected for the few that moved.

A device moved if the clock has done something to it that is not recorded yet. Two deadlines tell,
`Heartbeat.due_at` and `VpnServer.due_at`, which are null once their passing is recorded. So the present
status differs from the recorded one only where a deadline is due, and `moved` finds these devices by index.
In an outage of ours every reading is the one at its start: its moment is `at.heard`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

from django.contrib.postgres.expressions import ArraySubquery
from django.db import connection
from django.db.models import BooleanField, DateTimeField, F, Q, QuerySet, Value
from django.db.models.expressions import RawSQL
from django.db.models.functions import Coalesce, Greatest

from devices import clock
from devices.clock import Moment
from devices.models import Device, Heartbeat
from devices.models.heartbeat import LATE_OR_LOST, RECORDED_DEADLINE
from devices.rules import live_links
from devices.rules.live_links import links_at
from devices.rules.stalled import is_stalled, may_have_stalled
from devices.rules.vocabulary import LAST_ATTENTION_RANK, OVERDUE_AFTER
from devices.status.annotated import DeviceWithStatus
from devices.status.expressions import rank, status_of
from fleets.postgres.expressions import Sql
from fleets.postgres.fragment import Fragment, compiled

# Columns of Device that no page shows, and those that no list and no explanation shows. Reading all of them
# takes a fifth of reading a row.
UNSHOWN: Final = (
    *("own_name", "vpn_session", "facts_at", "facts_reason", "recorded_status", "recorded_status_at"),
    *("recorded_cell", "recorded_since", "recorded_quiet_at", "recorded_progress_at"),
)
UNLISTED: Final = (*UNSHOWN, "mac_addresses", "metrics", "metrics_at", "provisioned_by")
_SOME_TIME: Final = datetime.min.replace(tzinfo=UTC)  # a placeholder for `at` in compiled SQL
ATTENTION = Q(rank__lte=LAST_ATTENTION_RANK)  # annotated devices that need attention


def moved(at: Moment) -> QuerySet[Any]:
    """Ids of the devices whose recorded links are not those at `at`, found by partial indexes.

    Deadlines that are due, leases that are due, and heartbeats whose recorded deadline lies after `at`: only
    a caller whose `at` is before what is recorded meets the third.
    """
    due, ended = _passed(at)
    recorded = Heartbeat.objects.filter(LATE_OR_LOST).annotate(recorded_deadline=RECORDED_DEADLINE)
    # The second condition follows from the first. It tells the planner that they are few: PostgreSQL uses no
    # statistics of a partial index, so without it a third of all that are late or lost is expected.
    ahead = recorded.filter(recorded_deadline__gt=at.heard, lost_at__gt=at.heard).values("device_id")
    return due.union(ended, ahead, all=True)


def moved_ids(at: Moment) -> list[int]:
    """Ids of the devices whose recorded links are not those at `at`, by one query; none where `at` has them.

    They are few as long as a process settles. A page reads them once and passes them on as `among`.
    """
    if at.moved is not None:
        return list(at.moved)
    sql, params = _moved()
    with connection.cursor() as cursor:
        cursor.execute(sql, [at.heard if param == _SOME_TIME else param for param in params])
        return [device for (device,) in cursor]


@cache
def _moved() -> Fragment:
    """The SQL of `moved` with its parameters, compiled once: that takes longer than running it."""
    return compiled(moved(clock.listened(_SOME_TIME)))


def passed_ids(at: Moment) -> list[int]:
    """Ids of the devices with a deadline or a lease that passed by `at` and is not recorded until today.

    Their facts have not changed since `at`, however long ago that is, because every writer of facts settles
    its devices first.
    """
    due, ended = _passed(at)
    return list(due.union(ended, all=True).values_list("device_id", flat=True))


def _passed(at: Moment) -> tuple[QuerySet[Any], QuerySet[Any]]:
    due = Heartbeat.objects.filter(due_at__lte=at.heard).values("device_id")
    ended = (
        Device.objects.filter(vpn_connected=True, vpn_server__due_at__lte=at.heard).order_by().values("pk")
    )
    return due, ended


def _with_links(devices: QuerySet[Device], at: Moment) -> QuerySet[Any]:
    """Annotates `vpn`, `heartbeat` and `status` at `at`, without what with_status adds to them."""
    linked: QuerySet[Any] = devices.annotate(**links_at(Value(at.heard, DateTimeField())))
    linked = linked.annotate(status=status_of(F("vpn"), F("heartbeat")))
    return linked


def with_status(devices: QuerySet[Device], at: datetime | Moment | None = None) -> QuerySet[DeviceWithStatus]:
    """Annotate each device with its status and links at `at` (None: the database's clock).

    `status`, `heartbeat` (slugs), `vpn` (bool), `status_since`, `heartbeat_since`, `vpn_since` (times),
    `last_contact` (newest poll, report or VPN connect), `overdue`, `stalled` (bools), `rank` (0 worst;
    ATTENTION is the condition of those that need attention). Evaluates the present facts at `at`; what was
    true in the past is read from history.
    """
    at = clock.moment(at)
    now, status_at_deadline = Value(at.heard, DateTimeField()), status_of(**links_at(RawSQL("passed.at", ())))
    annotated: QuerySet[Any] = _with_links(devices, at).annotate(
        status_since=Sql(
            live_links.STATUS_SINCE_SQL, DateTimeField(), at=now, status_at_deadline=status_at_deadline
        ),
        heartbeat_since=Sql(live_links.HEARTBEAT_SINCE_SQL, DateTimeField()),
        vpn_since=Sql(live_links.VPN_SINCE_SQL, DateTimeField()),
    )
    return _with_the_rest(annotated, at)


def as_recorded(devices: QuerySet[Device], at: Moment) -> QuerySet[DeviceWithStatus]:
    """Annotate devices as with_status does, from recorded columns alone: none of them may be in `moved(at)`.

    For pages that have read `moved`: a tenth of the SQL to build, to send and to plan.
    """
    annotated: QuerySet[Any] = devices.annotate(
        status=F("recorded_status"),
        heartbeat=F("heartbeat_state"),
        vpn=F("vpn_connected"),
        status_since=Coalesce("recorded_status_at", "created_at"),
        heartbeat_since=F("heartbeat_changed_at"),
        vpn_since=F("vpn_changed_at"),
    )
    return _with_the_rest(annotated, at)


def _with_the_rest(devices: QuerySet[Any], at: Moment) -> QuerySet[DeviceWithStatus]:
    """Adds `last_contact`, `overdue`, `stalled` and `rank` to devices annotated with status and links."""
    now = Value(at.heard, DateTimeField())
    annotated: QuerySet[Any] = (
        devices.select_related("poll", "vpn_server")
        .annotate(
            last_contact=Greatest("last_contact_at", "poll__last_poll_at"),
            overdue=Sql(live_links.OVERDUE_SQL, BooleanField(), at=now, overdue_after=Value(OVERDUE_AFTER)),
            stalled=is_stalled(at.heard),
        )
        .annotate(rank=rank())
    )
    return annotated


def _one_of(chosen: QuerySet[Any]) -> Sql:
    """The condition `pk__in=chosen` by an array, which the planner takes to be short: it scans no table."""
    return Sql("({pk} = ANY({few}))", BooleanField(), few=ArraySubquery(chosen))


def unrecorded(
    devices: QuerySet[Device], at: Moment, among: Sequence[int] | None = None
) -> QuerySet[DeviceWithStatus]:
    """Those of `devices` whose `status` at `at` is not the recorded one, annotated; few, found by index.

    `among`: the ids of all devices that moved, if the caller has read them.
    """
    has_moved = _one_of(moved(at)) if among is None else Q(pk__in=among)
    moves = with_status(devices.order_by().filter(has_moved), at)
    return moves.exclude(status=F("recorded_status"))


def filter_by_status(
    devices: QuerySet[Device], statuses: Iterable[str], at: Moment
) -> QuerySet[DeviceWithStatus]:
    """Those of `devices` that have one of `statuses` (slugs) at `at`, annotated as by with_status.

    Reads only devices with such a recorded status, by index, and those that moved.
    """
    statuses = list(statuses)
    recorded = devices.order_by().filter(recorded_status__in=statuses).values("pk")
    candidates = recorded.union(moved(at), all=True)
    return with_status(devices.filter(pk__in=candidates), at).filter(status__in=statuses)


def stalled(devices: QuerySet[Device], at: Moment) -> QuerySet[DeviceWithStatus]:
    """Those of `devices` that configure or update without progress at `at`, annotated as by as_recorded.

    None of them may be in `moved(at)`. Reads only devices recorded for so long without progress, by index.
    """
    return as_recorded(devices.filter(may_have_stalled(at.heard)), at).filter(stalled=True)
