"""The status service: the rule table of domain.md, once, and everything that is read from it.

A rule is written over the facts of a device's row, with `vpn` and `heartbeat` standing for its two
links. Over the recorded links the table gives the stored column `Device.recorded_status`; over the
links as they are at a clock `at` it gives the live status. Two deadlines fade with the clock,
`Heartbeat.due_at` and `VpnServer.due_at`: null once what they announce is recorded. So the live
status differs from the recorded one only where a deadline is due, and `moved` finds those by index.
In an outage of ours every reading is the one at its start: `at` then stands for `at.heard`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from django.apps import apps
from django.conf import settings
from django.contrib.postgres.expressions import ArraySubquery
from django.db import connection
from django.db.models import (
    BooleanField,
    Case,
    Count,
    DateTimeField,
    Expression,
    F,
    IntegerField,
    Q,
    QuerySet,
    TextChoices,
    TextField,
    Value,
)
from django.db.models.expressions import RawSQL
from django.db.models.functions import Coalesce, Greatest

from devices import clock
from devices.integrity import counters
from devices.rules import live_links
from devices.rules.live_links import links_at
from devices.rules.rule_table import Rule, as_case, as_template
from fleets.postgres.expressions import Sql

if TYPE_CHECKING:
    from devices.models import Device
    from devices.status.explanation import Explanation


OVERDUE_AFTER = timedelta(seconds=60)  # past the poll interval: the jitter of real agents
STALLED_AFTER = timedelta(minutes=30)  # of an update or configuration without progress
_SOME_TIME: Final = datetime.min.replace(tzinfo=UTC)  # stands for `at` in SQL that is kept


class Status(TextChoices):
    """The nine statuses in the order they are shown everywhere."""

    ONLINE = "online", "Online"
    VPN_ONLY = "vpn-only", "Online (VPN Only)"
    HEARTBEAT_ONLY = "heartbeat-only", "Online (Heartbeat Only)"
    OFFLINE = "offline", "Offline"
    CONFIGURING = "configuring", "Configuring"
    UPDATING = "updating", "Updating"
    POST_PROVISIONING = "post-provisioning", "Post Provisioning"
    INACTIVE = "inactive", "Inactive"
    FROZEN = "frozen", "Frozen"


class HeartbeatState(TextChoices):
    """What the API heartbeat is; `unknown` only before the first poll."""

    UNKNOWN = "unknown", "Never seen"
    RECENT = "recent", "On time"
    LATE = "late", "Late"
    LOST = "lost", "Lost"


RECENT = Q(heartbeat=HeartbeatState.RECENT)
NO_HEARTBEAT = Q(heartbeat__in=[HeartbeatState.LOST, HeartbeatState.UNKNOWN])
NEVER_ONLINE = Q(heartbeat=HeartbeatState.UNKNOWN, vpn_changed_at__isnull=True)
CONFIGURES = Q(provisioning_progress__isnull=False)
UPDATES = Q(update_progress__isnull=False)
POST_PROVISIONING_STATE = "Post-Provisioning"

# First match wins (domain.md, The rules).
RULES = (
    Rule(
        Status.FROZEN, ~Q(frozen_reason=""), "It is locked: the allowance, the fleet type or unpaid invoices"
    ),
    Rule(
        Status.INACTIVE,
        Q(is_active=False),
        "It is deactivated, or was preregistered and not yet in contact",
    ),
    Rule(
        Status.POST_PROVISIONING,
        Q(provisioning_state=POST_PROVISIONING_STATE),
        "It reports that its system is written and waits for a restart from its own storage",
    ),
    Rule(
        Status.CONFIGURING,
        NEVER_ONLINE & CONFIGURES,
        "It was never online and reports the progress of its configuration",
    ),
    Rule(
        Status.POST_PROVISIONING,
        NEVER_ONLINE & Q(provisioned_at__isnull=False),
        "It registered itself and has not yet come online",
    ),
    Rule(
        Status.INACTIVE,
        NEVER_ONLINE & Q(first_contact_at__isnull=True),
        "It was never in contact",
    ),
    Rule(
        Status.OFFLINE,
        Q(vpn=False) & NO_HEARTBEAT,
        "Neither the {vpn} nor the API hears from it",
    ),
    Rule(Status.CONFIGURING, CONFIGURES, "It reports the progress of its configuration"),
    Rule(
        Status.UPDATING,
        UPDATES & Q(heartbeat__in=[HeartbeatState.RECENT, HeartbeatState.LATE]),
        "It is installing a release, and the API heard from it recently",
    ),
    Rule(
        Status.VPN_ONLY,
        Q(vpn=True) & ~RECENT,
        "The {vpn} is connected, but the API did not hear from it within the expected interval",
    ),
    Rule(
        Status.HEARTBEAT_ONLY,
        Q(vpn=False) & ~(Q(vpn_enabled=False) & RECENT),
        "The API heard from it recently, but the {vpn} is not connected",
    ),
    Rule(Status.ONLINE, Q(), "Every link that it is meant to have is up: the API hears from it as expected"),
)

# Default order of lists, worst first (domain.md, Needs attention); `None` stands for stalled.
RANKS: tuple[Status | None, ...] = (
    Status.OFFLINE,
    Status.HEARTBEAT_ONLY,
    Status.VPN_ONLY,
    None,
    Status.UPDATING,
    Status.CONFIGURING,
    Status.POST_PROVISIONING,
    Status.ONLINE,
    Status.INACTIVE,
    Status.FROZEN,
)
LAST_ATTENTION_RANK = RANKS.index(None)
WORST = [status for status in RANKS[:LAST_ATTENTION_RANK] if status]  # need attention, whatever else
PROGRESSING = (Status.CONFIGURING, Status.UPDATING)  # may have stalled
ATTENTION = Q(rank__lte=LAST_ATTENTION_RANK)


def recorded_status() -> Case:
    """The expression of the stored column `Device.recorded_status`."""
    return as_case(RULES, [rule.status.value for rule in RULES], TextField())


@cache
def _statuses() -> str:
    return as_template(RULES, [rule.status.value for rule in RULES])


@cache
def _numbers() -> str:
    return as_template(RULES, range(1, len(RULES) + 1))


@cache
def _ranks() -> str:
    return as_template(RULES, [RANKS.index(Status(rule.status)) for rule in RULES])


def status_of(vpn: Expression | F, heartbeat: Expression | F) -> Sql:
    """The status by the rules, over links given as SQL expressions."""
    return Sql(_statuses(), TextField(), vpn_connected=vpn, heartbeat_state=heartbeat)


def status_over(**facts: str) -> str:
    """The status by the rules as SQL over a device `d`, some of whose columns stand for other SQL."""
    return live_links.over(_statuses(), **facts)


def rule_over(**facts: str) -> str:
    """The number of the rule that matches, from 1, in the same way."""
    return live_links.over(_numbers(), **facts)


def moved(at: datetime) -> QuerySet[Any]:
    """Ids of the devices whose recorded links are not those at `at`, by partial indexes.

    The third case is a clock before what is recorded: only a caller that reads the past of today's
    facts meets it.
    """
    heartbeat, at = apps.get_model("devices", "Heartbeat"), clock.heard(at)
    due, ended = _passed(at)
    recorded = heartbeat.objects.filter(Q(due_at__isnull=True) | Q(due_at=F("lost_at")))
    ahead = recorded.filter(lost_at__gt=at).values("device_id")
    return due.union(ended, ahead, all=True)


def moved_ids(at: datetime) -> list[int]:
    """The same, read: hardly any as long as anything records. A page reads them once, see `among`."""
    sql, params = _moved()
    heard = clock.heard(at)
    with connection.cursor() as cursor:
        cursor.execute(sql, [heard if each == _SOME_TIME else each for each in params])
        return [device for (device,) in cursor]


@cache
def _moved() -> tuple[str, tuple[Any, ...]]:
    """What every page reads first is put together once: that takes longer than to answer it."""
    return moved(clock.moment(_SOME_TIME, None)).query.sql_with_params()


def passed_ids(at: datetime) -> list[int]:
    """Ids of the devices to which the clock has done something by `at` that nobody has recorded since.

    Their facts are still those of `at`, however long ago that is: whoever writes them records that first.
    """
    due, ended = _passed(clock.heard(at))
    return list(due.union(ended, all=True).values_list("device_id", flat=True))


def _passed(at: datetime) -> tuple[QuerySet[Any], QuerySet[Any]]:
    heartbeat, device = apps.get_model("devices", "Heartbeat"), apps.get_model("devices", "Device")
    due = heartbeat.objects.filter(due_at__lte=at).values("device_id")
    ended = device.objects.filter(vpn_connected=True, vpn_server__due_at__lte=at).order_by().values("pk")
    return due, ended


def _with_links(devices: QuerySet[Device], at: datetime) -> QuerySet[Any]:
    """The least of with_status: `vpn`, `heartbeat` and `status`."""
    linked: QuerySet[Any] = devices.annotate(**links_at(Value(at, DateTimeField())))
    linked = linked.annotate(status=status_of(F("vpn"), F("heartbeat")))
    return linked


def with_status(devices: QuerySet[Device], at: datetime | None = None) -> QuerySet[Any]:
    """Annotate each device with what it is at the clock `at` (None: the database's clock).

    `status`, `heartbeat` (slugs), `vpn` (bool), `status_since`, `heartbeat_since`, `vpn_since` (times),
    `last_contact` (newest poll, report or VPN connect), `overdue`, `stalled` (bools), `rank` (0 worst;
    ATTENTION tells which need attention). Reads today's facts; the past is read from history.
    """
    at = clock.heard(at or clock.now())
    now, then = Value(at, DateTimeField()), status_of(**links_at(RawSQL("passed.at", ())))
    annotated: QuerySet[Any] = _with_links(devices, at).annotate(
        status_since=Sql(live_links.STATUS_SINCE_SQL, DateTimeField(), at=now, status_then=then),
        heartbeat_since=Sql(live_links.HEARTBEAT_SINCE_SQL, DateTimeField()),
        vpn_since=Sql(live_links.VPN_SINCE_SQL, DateTimeField()),
    )
    return _with_the_rest(annotated, now)


def as_recorded(devices: QuerySet[Device], at: datetime) -> QuerySet[Any]:
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
    return _with_the_rest(annotated, Value(clock.heard(at), DateTimeField()))


def _with_the_rest(devices: QuerySet[Any], now: Value) -> QuerySet[Any]:
    """What both add to devices whose status and links are annotated."""
    annotated: QuerySet[Any] = (
        devices.select_related("poll", "vpn_server")
        .annotate(
            last_contact=Greatest("last_contact_at", "poll__last_poll_at"),
            overdue=Sql(live_links.OVERDUE_SQL, BooleanField(), at=now, overdue_after=Value(OVERDUE_AFTER)),
            stalled=Sql(live_links.STALLED_SQL, BooleanField(), at=now, stalled_after=Value(STALLED_AFTER)),
        )
        .annotate(rank=_rank())
    )
    return annotated


def _one_of(few: QuerySet[Any]) -> Sql:
    """`pk__in=few` as an array, of which the planner knows that it is short: else it reads a table whole."""
    return Sql("({pk} = ANY({few}))", BooleanField(), few=ArraySubquery(few))


def unrecorded(devices: QuerySet[Device], at: datetime, among: Sequence[int] | None = None) -> QuerySet[Any]:
    """Those of `devices` that have another `status` at `at` than is recorded: few, by index.

    `among`: the ids of those that moved, where they have been read.
    """
    at = clock.heard(at)
    these = _one_of(moved(at)) if among is None else Q(pk__in=among)
    moves = with_status(devices.order_by().filter(these), at)
    return moves.exclude(status=F("recorded_status"))


def _rank() -> Sql:
    return Sql(
        f"(CASE WHEN {{stalled}} THEN {LAST_ATTENTION_RANK} ELSE {_ranks()} END)",
        IntegerField(),
        vpn_connected=F("vpn"),
        heartbeat_state=F("heartbeat"),
    )


def _tally(
    devices: QuerySet[Device], at: datetime, *by: str, among: Sequence[int] | None = None
) -> Iterator[tuple[Any, ...]]:
    """Yields (*by, status, number) to be added up: what is recorded, then corrections for the few devices
    that moved since. One statement, so that nothing comes between."""
    rows = counters.recorded(devices, *by)
    if among is None or among:
        moves = unrecorded(devices, at, among).values_list(*by, "recorded_status", "status")
        rows = rows.union(moves.annotate(n=Count("*")), all=True)
    for *key, before, status, n in rows:
        if before:
            yield (*key, before, -n)
        yield (*key, status, n)


def count_by_status(
    devices: QuerySet[Device], at: datetime | None = None, among: Sequence[int] | None = None
) -> dict[str, int]:
    """How many of `devices` have each status at `at`: all nine keys in display order, one query.

    Of whole fleets and organizations, it reads the counters. `among`: the ids of all devices that moved,
    where the caller has just read them.
    """
    counts = dict.fromkeys(Status.values, 0)
    for status, n in _tally(devices, at or clock.now(), among=among):
        counts[status] += n
    return counts


def count_by_fleet(devices: QuerySet[Device], at: datetime | None = None) -> dict[int, dict[str, int]]:
    """The same for each fleet that has any of `devices`, by its id, in one query."""
    return _count_by("fleet_id", devices, at)


def count_by_organization(
    devices: QuerySet[Device], at: datetime | None = None, among: Sequence[int] | None = None
) -> dict[int, dict[str, int]]:
    """The same for each organization that has any of `devices`, by its id, in one query."""
    return _count_by("organization_id", devices, at, among)


def _count_by(
    whose: str, devices: QuerySet[Device], at: datetime | None, among: Sequence[int] | None = None
) -> dict[int, dict[str, int]]:
    counts: dict[int, dict[str, int]] = {}
    for each, status, n in _tally(devices, at or clock.now(), whose, among=among):
        counts.setdefault(each, dict.fromkeys(Status.values, 0))[status] += n
    return counts


def filter_by_status(
    devices: QuerySet[Device], statuses: Iterable[str], at: datetime | None = None
) -> QuerySet[Any]:
    """Those of `devices` that have one of `statuses` at `at`, annotated as by with_status.

    Looks only at devices recorded so, by index, and at those that moved.
    """
    at = clock.heard(at or clock.now())
    statuses = list(statuses)
    recorded = devices.order_by().filter(recorded_status__in=statuses).values("pk")
    candidates = recorded.union(moved(at), all=True)
    return with_status(devices.filter(pk__in=candidates), at).filter(status__in=statuses)


def stalled(devices: QuerySet[Device], at: datetime, among: Sequence[int] | None = None) -> QuerySet[Any]:
    """Those of `devices` that configure or update without progress at `at`, annotated as by with_status.

    Looks only at those recorded so long without progress, by index, and at those that moved: `among`,
    where these have been read.
    """
    at = clock.heard(at)
    long: QuerySet[Any] = devices.order_by().filter(
        recorded_status__in=PROGRESSING, recorded_progress_at__lte=at - STALLED_AFTER
    )
    candidates = long.values("pk")
    if among is None:
        candidates = candidates.union(moved(at), all=True)
    elif among:
        candidates = candidates.union(devices.order_by().filter(pk__in=among).values("pk"), all=True)
    annotated = as_recorded if among is not None and not among else with_status
    return annotated(devices.filter(_one_of(candidates)), at).filter(stalled=True)


def always_attended(counts: dict[str, int]) -> int:
    """How many of these counts need attention without having stalled."""
    return sum(counts[status] for status in WORST)


def count_attention(devices: QuerySet[Device], at: datetime | None = None) -> int:
    """How many of `devices` need attention at `at` (domain.md, Needs attention). Two queries."""
    at = at or clock.now()
    return always_attended(count_by_status(devices, at)) + stalled(devices, at).count()


def count_attention_by_fleet(devices: QuerySet[Device], at: datetime | None = None) -> dict[int, int]:
    """The same for each fleet that has such a device, by its id. Two queries."""
    at = at or clock.now()
    attended = {fleet: always_attended(counts) for fleet, counts in count_by_fleet(devices, at).items()}
    for fleet, n in stalled(devices, at).order_by().values_list("fleet_id").annotate(n=Count("*")):
        attended[fleet] = attended.get(fleet, 0) + n
    return {fleet: n for fleet, n in attended.items() if n}


# In the simple vocabulary a status folds into another one.
FOLDS = {
    Status.VPN_ONLY: Status.ONLINE,
    Status.HEARTBEAT_ONLY: Status.ONLINE,
    Status.FROZEN: Status.INACTIVE,
}
BEHIND = {shown: [each for each in Status if FOLDS.get(each, each) == shown] for shown in Status}


def vocabulary() -> list[Status]:
    """The statuses that are shown: nine, or the six of the simple vocabulary (a site setting)."""
    return [status for status in Status if shown(status) == status]


def shown(status: str) -> Status:
    """The status as it is shown: in the simple vocabulary, the one that it folds into."""
    one = Status(status)
    return FOLDS.get(one, one) if settings.SIMPLE_STATUSES else one


def behind(status: str) -> list[Status]:
    """The statuses that a shown one stands for: what a filter for it means."""
    one = Status(status)
    return BEHIND[one] if settings.SIMPLE_STATUSES else [one]


def explain(device: Device, at: datetime | None = None) -> Explanation:
    """Why the device has its status at `at`, and the next one that the clock will bring."""
    from devices.status.explanation import explain as explained  # noqa: PLC0415  it reads the models, which read this

    return explained(device, at)
