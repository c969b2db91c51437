"""The status service: the rule table of domain.md, once, and everything that is read from it.

A rule is written over the facts of a device's row, with `vpn` and `heartbeat` standing for its two
links. Over the recorded links the table gives the stored column `Device.recorded_status`; over the
links as they are at a clock `at` it gives the live status. Two deadlines fade with the clock,
`Heartbeat.due_at` and `VpnServer.due_at`: null once what they announce is recorded. So the live
status differs from the recorded one only where a deadline is due, and `moved` finds those by index.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.conf import settings
from django.db.models import Case, Count, F, Q, QuerySet, Value, When
from django.db.models import (
    BooleanField,
    DateTimeField,
    DurationField,
    ExpressionWrapper,
    IntegerField,
    TextChoices,
    TextField,
)
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce, Greatest, Least

from devices import clock

if TYPE_CHECKING:
    from devices.models import Device

OVERDUE_AFTER = timedelta(seconds=60)  # past the poll interval: jitter of real agents
STALLED_AFTER = timedelta(minutes=30)  # without progress


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


@dataclass(frozen=True)
class Rule:
    """One row of the table: what must hold, the status it gives, and the sentence that says why."""

    status: Status
    condition: Q
    sentence: str


RECENT = Q(heartbeat=HeartbeatState.RECENT)
NO_HEARTBEAT = Q(heartbeat__in=[HeartbeatState.LOST, HeartbeatState.UNKNOWN])
NEVER_ONLINE = Q(heartbeat=HeartbeatState.UNKNOWN, vpn_changed_at__isnull=True)
CONFIGURES = Q(provisioning_progress__isnull=False)
UPDATES = Q(update_progress__isnull=False)
ALWAYS = Q(pk__isnull=False)

# First match wins (domain.md, The rules).
RULES = (
    Rule(Status.FROZEN, ~Q(frozen_reason=""), "It is locked"),
    Rule(
        Status.INACTIVE,
        Q(is_active=False),
        "It is deactivated, or was preregistered and not yet in contact",
    ),
    Rule(
        Status.POST_PROVISIONING,
        Q(provisioning_state="Post-Provisioning"),
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
    Rule(
        Status.CONFIGURING, CONFIGURES, "It reports the progress of its configuration"
    ),
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
    Rule(Status.ONLINE, ALWAYS, "Every link that it is meant to have is up"),
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
NEEDS_ATTENTION = [Status.OFFLINE, Status.HEARTBEAT_ONLY, Status.VPN_ONLY]


def _renamed(condition: Q, names: Mapping[str, str]) -> Q:
    """The same condition with the links read from other columns or annotations."""
    renamed = Q(_connector=condition.connector, _negated=condition.negated)
    for child in condition.children:
        if isinstance(child, Q):
            renamed.children.append(_renamed(child, names))
        else:
            name, _, lookup = child[0].partition("__")
            name = names.get(name, name)
            renamed.children.append((f"{name}__{lookup}" if lookup else name, child[1]))
    return renamed


def _by_rules(
    results: Iterable[Any], output: Any, names: Mapping[str, str] | None = None
) -> Case:
    """The rule table as one SQL expression that gives, per rule, one of `results`."""
    *earlier, last = zip(RULES, results, strict=True)
    return Case(
        *(
            When(_renamed(rule.condition, names or {}), then=Value(result))
            for rule, result in earlier
        ),
        default=Value(last[1]),
        output_field=output,
    )


def status_by_rules(**names: str) -> Case:
    """The status as SQL; `vpn=` and `heartbeat=` name the columns or annotations the links are read from."""
    return _by_rules([rule.status.value for rule in RULES], TextField(), names)


def recorded_status() -> Case:
    """The expression of the stored column `Device.recorded_status`."""
    return status_by_rules(vpn="vpn_connected", heartbeat="heartbeat_state")


def _heartbeat_at(at: Combinable | datetime) -> Case:
    """The heartbeat at a clock. A row that never polled has no deadlines: what is recorded stands."""
    return Case(
        When(poll__isnull=True, then=F("heartbeat_state")),
        When(poll__lost_at__lte=at, then=Value(HeartbeatState.LOST.value)),
        When(poll__late_at__lte=at, then=Value(HeartbeatState.LATE.value)),
        default=Value(HeartbeatState.RECENT.value),
        output_field=TextField(),
    )


def _vpn_at(at: Combinable | datetime) -> Case:
    """The VPN at a clock: what is recorded, unless the owner's lease ended unrecorded."""
    return Case(
        When(vpn_server__due_at__lte=at, then=Value(False)),
        default=F("vpn_connected"),
        output_field=BooleanField(),
    )


def moved(at: datetime) -> QuerySet[Any]:
    """Ids of the devices whose recorded links are not those at `at`, by partial indexes.

    The third case is a clock before what is recorded: only a caller that reads the past of today's
    facts meets it.
    """
    heartbeat, device = (
        apps.get_model("devices", "Heartbeat"),
        apps.get_model("devices", "Device"),
    )
    due = heartbeat.objects.filter(due_at__lte=at).values("device_id")
    ended = device.objects.filter(
        vpn_connected=True, vpn_server__due_at__lte=at
    ).values("pk")
    ahead = heartbeat.objects.filter(
        Q(due_at__isnull=True) | Q(due_at=F("lost_at")), lost_at__gt=at
    ).values("device_id")
    return due.union(ended, ahead, all=True)


# The deadlines that may have passed unrecorded: a status that moved did so at one of them.
DEADLINES = {
    "late": "poll__late_at",
    "lost": "poll__lost_at",
    "lease": "vpn_server__due_at",
}


def _status_since(at: datetime) -> Case:
    """Since when the live status holds: as recorded, or the first passed deadline from which it does."""
    moments = [
        Case(
            When(
                Q(**{f"{deadline}__lte": at, f"status_at_{name}": F("status")}),
                then=F(deadline),
            )
        )
        for name, deadline in DEADLINES.items()
    ]
    return Case(
        When(status=F("recorded_status"), then=F("recorded_status_at")),
        default=Coalesce(Least(*moments), F("recorded_status_at")),
        output_field=DateTimeField(),
    )


def _heartbeat_since() -> Case:
    return Case(
        When(heartbeat=F("heartbeat_state"), then=F("heartbeat_changed_at")),
        When(heartbeat=HeartbeatState.LOST, then=F("poll__lost_at")),
        When(heartbeat=HeartbeatState.LATE, then=F("poll__late_at")),
        default=F("poll__last_poll_at"),
        output_field=DateTimeField(),
    )


def _vpn_since() -> Case:
    return Case(
        When(vpn=F("vpn_connected"), then=F("vpn_changed_at")),
        default=F("vpn_server__due_at"),
        output_field=DateTimeField(),
    )


def with_status(
    devices: QuerySet[Device], at: datetime | None = None
) -> QuerySet[Device]:
    """Annotate each device with what it is at the clock `at` (None: the database's clock).

    `status`, `heartbeat` (slugs), `vpn` (bool), `status_since`, `heartbeat_since`, `vpn_since` (times),
    `last_contact` (newest poll, report or VPN connect), `overdue`, `stalled`, `attention` (bools), `rank`
    (0 worst). Reads today's facts; the past is read from history.
    """
    at = at or clock.now()
    devices = devices.select_related("poll", "vpn_server").annotate(
        vpn=_vpn_at(at), heartbeat=_heartbeat_at(at)
    )
    devices = devices.annotate(status=status_by_rules())
    for name, deadline in DEADLINES.items():
        links = {
            f"vpn_at_{name}": _vpn_at(F(deadline)),
            f"heartbeat_at_{name}": _heartbeat_at(F(deadline)),
        }
        devices = devices.alias(**links)
        devices = devices.alias(
            **{
                f"status_at_{name}": status_by_rules(
                    vpn=f"vpn_at_{name}", heartbeat=f"heartbeat_at_{name}"
                )
            }
        )
    return devices.annotate(
        status_since=_status_since(at),
        heartbeat_since=_heartbeat_since(),
        vpn_since=_vpn_since(),
        last_contact=Greatest(F("last_contact_at"), F("poll__last_poll_at")),
        overdue=_flag(_overdue(at)),
        stalled=_flag(_stalled(at)),
        attention=_flag(Q(status__in=NEEDS_ATTENTION) | _stalled(at)),
        rank=_rank(at),
    )


def _flag(condition: Q) -> Case:
    return Case(
        When(condition, then=Value(True)),
        default=Value(False),
        output_field=BooleanField(),
    )


def _overdue(at: datetime) -> Q:
    """For the eye only: the next poll is due, the status does not change."""
    interval = ExpressionWrapper(
        F("poll__poll_interval") * Value(timedelta(seconds=1)),
        output_field=DurationField(),
    )
    expected = ExpressionWrapper(
        Value(at - OVERDUE_AFTER) - interval, output_field=DateTimeField()
    )
    return Q(heartbeat=HeartbeatState.RECENT, poll__last_poll_at__lte=expected)


def _stalled(at: datetime) -> Q:
    return Q(
        status__in=[Status.UPDATING, Status.CONFIGURING],
        progress_changed_at__lte=at - STALLED_AFTER,
    )


def _rank(at: datetime) -> Case:
    stalled = When(_stalled(at), then=Value(RANKS.index(None)))
    ranks = [
        When(status=status, then=Value(rank))
        for rank, status in enumerate(RANKS)
        if status is not None
    ]
    return Case(stalled, *ranks, output_field=IntegerField())


def count_by_status(
    devices: QuerySet[Device], at: datetime | None = None
) -> dict[str, int]:
    """How many of `devices` have each status at `at`: all nine keys in display order, two queries.

    The recorded column by an index-only scan, corrected by the few devices that moved since.
    """
    at = at or clock.now()
    devices = devices.order_by()
    counts = dict.fromkeys(Status.values, 0)
    for status, n in devices.values_list("recorded_status").annotate(n=Count("*")):
        counts[status] += n
    moves = with_status(devices.filter(pk__in=moved(at)), at).exclude(
        status=F("recorded_status")
    )
    for before, status, n in moves.values_list("recorded_status", "status").annotate(
        n=Count("*")
    ):
        counts[before] -= n
        counts[status] += n
    return counts


def filter_by_status(
    devices: QuerySet[Device], statuses: Iterable[str], at: datetime | None = None
) -> QuerySet[Device]:
    """Those of `devices` that have one of `statuses` at `at`, annotated as by with_status.

    Looks only at devices recorded so, by index, and at those that moved.
    """
    at = at or clock.now()
    statuses = list(statuses)
    recorded = devices.order_by().filter(recorded_status__in=statuses).values("pk")
    candidates = recorded.union(moved(at), all=True)
    return with_status(devices.filter(pk__in=candidates), at).filter(
        status__in=statuses
    )


def count_attention(devices: QuerySet[Device], at: datetime | None = None) -> int:
    """How many of `devices` need attention at `at` (domain.md, Needs attention)."""
    may = [*NEEDS_ATTENTION, Status.UPDATING, Status.CONFIGURING]
    return filter_by_status(devices, may, at).filter(attention=True).count()


def vocabulary() -> list[Status]:
    """The statuses that are shown: nine, or the six of the simple vocabulary (a site setting)."""
    return [status for status in Status if shown(status) == status]


def shown(status: str) -> Status:
    """The status as it is shown: in the simple vocabulary, the one that it folds into."""
    folds = {
        Status.VPN_ONLY: Status.ONLINE,
        Status.HEARTBEAT_ONLY: Status.ONLINE,
        Status.FROZEN: Status.INACTIVE,
    }
    return (
        folds.get(Status(status), Status(status))
        if settings.SIMPLE_STATUSES
        else Status(status)
    )


def behind(status: str) -> list[Status]:
    """The statuses that a shown one stands for: what a filter for it means."""
    return [each for each in Status if shown(each) == status]
