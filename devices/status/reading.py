"""Devices as they are at a clock: the recorded columns, corrected by the few that the clock has moved since.

Two deadlines fade with the clock, `Heartbeat.due_at` and `VpnServer.due_at`: null once what they announce is
recorded. So the live status differs from the recorded one only where a deadline is due, and `moved` finds
those by index. In an outage of ours every reading is the one at its start: `at.heard` is its clock.
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
from devices.rules import live_links
from devices.rules.live_links import links_at
from devices.rules.stalled import is_stalled, may_have_stalled
from devices.rules.vocabulary import LAST_ATTENTION_RANK, OVERDUE_AFTER
from devices.status.annotated import DeviceWithStatus
from devices.status.expressions import rank, status_of
from fleets.postgres.expressions import Sql
from fleets.postgres.fragment import Fragment, compiled

_SOME_TIME: Final = datetime.min.replace(tzinfo=UTC)  # stands for `at` in SQL that is kept
ATTENTION = Q(rank__lte=LAST_ATTENTION_RANK)


def moved(at: Moment) -> QuerySet[Any]:
    """Ids of the devices whose recorded links are not those at `at`, by partial indexes.

    The third case is a clock before what is recorded: only a caller that reads the past of today's
    facts meets it.
    """
    due, ended = _passed(at)
    recorded = Heartbeat.objects.filter(Q(due_at__isnull=True) | Q(due_at=F("lost_at")))
    ahead = recorded.filter(lost_at__gt=at.heard).values("device_id")
    return due.union(ended, ahead, all=True)


def moved_ids(at: Moment) -> list[int]:
    """The same, read: hardly any as long as anything records. A page reads them once, see `among`."""
    sql, params = _moved()
    with connection.cursor() as cursor:
        cursor.execute(sql, [at.heard if param == _SOME_TIME else param for param in params])
        return [device for (device,) in cursor]


@cache
def _moved() -> Fragment:
    """What every page reads first is put together once: that takes longer than to answer it."""
    return compiled(moved(clock.listened(_SOME_TIME)))


def passed_ids(at: Moment) -> list[int]:
    """Ids of the devices to which the clock has done something by `at` that nobody has recorded since.

    Their facts are still those of `at`, however long ago that is: whoever writes them records that first.
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
    """The least of with_status: `vpn`, `heartbeat` and `status`."""
    linked: QuerySet[Any] = devices.annotate(**links_at(Value(at.heard, DateTimeField())))
    linked = linked.annotate(status=status_of(F("vpn"), F("heartbeat")))
    return linked


def with_status(devices: QuerySet[Device], at: datetime | Moment | None = None) -> QuerySet[DeviceWithStatus]:
    """Annotate each device with what it is at the clock `at` (None: the database's clock).

    `status`, `heartbeat` (slugs), `vpn` (bool), `status_since`, `heartbeat_since`, `vpn_since` (times),
    `last_contact` (newest poll, report or VPN connect), `overdue`, `stalled` (bools), `rank` (0 worst;
    ATTENTION tells which need attention). Reads today's facts; the past is read from history.
    """
    at = clock.moment(at)
    now, status_then_ = Value(at.heard, DateTimeField()), status_of(**links_at(RawSQL("passed.at", ())))
    annotated: QuerySet[Any] = _with_links(devices, at).annotate(
        status_since=Sql(live_links.STATUS_SINCE_SQL, DateTimeField(), at=now, status_then=status_then_),
        heartbeat_since=Sql(live_links.HEARTBEAT_SINCE_SQL, DateTimeField()),
        vpn_since=Sql(live_links.VPN_SINCE_SQL, DateTimeField()),
    )
    return _with_the_rest(annotated, at)


def as_recorded(devices: QuerySet[Device], at: Moment) -> QuerySet[DeviceWithStatus]:
    """The same of devices that are not among `moved(at)`: they are what is recorded of them.

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
    """What both add to devices whose status and links are annotated."""
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
    """`pk__in=few` as an array, of which the planner knows that it is short: else it reads a table whole."""
    return Sql("({pk} = ANY({few}))", BooleanField(), few=ArraySubquery(chosen))


def unrecorded(
    devices: QuerySet[Device], at: Moment, among: Sequence[int] | None = None
) -> QuerySet[DeviceWithStatus]:
    """Those of `devices` that have another `status` at `at` than is recorded: few, by index.

    `among`: the ids of those that moved, where they have been read.
    """
    these = _one_of(moved(at)) if among is None else Q(pk__in=among)
    moves = with_status(devices.order_by().filter(these), at)
    return moves.exclude(status=F("recorded_status"))


def filter_by_status(
    devices: QuerySet[Device], statuses: Iterable[str], at: Moment
) -> QuerySet[DeviceWithStatus]:
    """Those of `devices` that have one of `statuses` at `at`, annotated as by with_status.

    Looks only at devices recorded so, by index, and at those that moved.
    """
    statuses = list(statuses)
    recorded = devices.order_by().filter(recorded_status__in=statuses).values("pk")
    candidates = recorded.union(moved(at), all=True)
    return with_status(devices.filter(pk__in=candidates), at).filter(status__in=statuses)


def stalled(
    devices: QuerySet[Device], at: Moment, among: Sequence[int] | None = None
) -> QuerySet[DeviceWithStatus]:
    """Those of `devices` that configure or update without progress at `at`, annotated as by with_status.

    Looks only at those recorded so long without progress, by index, and at those that moved: `among`,
    where these have been read.
    """
    candidates: QuerySet[Any] = devices.order_by().filter(may_have_stalled(at.heard)).values("pk")
    if among is None:
        candidates = candidates.union(moved(at), all=True)
    elif among:
        candidates = candidates.union(devices.order_by().filter(pk__in=among).values("pk"), all=True)
    annotated = as_recorded if among is not None and not among else with_status
    return annotated(devices.filter(_one_of(candidates)), at).filter(stalled=True)
