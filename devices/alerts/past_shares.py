"""Looks at a share in the past: every 30 s where anything changed, over the statuses that history keeps.

Which devices stood in incidents of other rules then is as it is recorded of these.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from typing import Final

from django.db.models import Count, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce

from devices.alerts import levels, parameters, shares
from devices.alerts.gathering import Gathering
from devices.alerts.learning import LOOK
from devices.alerts.lifecycle import MICROSECOND, State
from devices.alerts.past import MOST
from devices.alerts.replay import Replay
from devices.alerts.scopes import Asked
from devices.models import AlertRule, IncidentMember, StatusChange
from devices.rules.vocabulary import Status

Changed = tuple[datetime, str | None, str | None]  # when a device had another status: before, after
Stood = tuple[datetime, int, str, int]  # when a device with a status stood in one incident more, or one less


class Looks:
    """What looks at the share of a rule would have found after `since`; `cut`: there was more before.

    `moments`: of what happened; `devices` and `unseen_since`: none, since a share is no fact about one. A
    share that was reached already counts once it has been over.
    """

    devices: Final[Collection[int]] = ()
    unseen_since: Final = None

    def __init__(self, rule: AlertRule, since: datetime, until: datetime) -> None:
        self._rule = rule
        self.since, changed = _changed(rule, since, until)
        self.cut = self.since > since
        self._counts = _counts(rule, self.since)
        self._before = shares.is_reached(rule, self._counts, calmer=True)
        self._inside: dict[str, Counter[int]] = defaultdict(Counter)  # by status: devices in incidents
        self._changed, self._stood = deque(changed), deque(sorted(_stood(rule, self.since, until)))
        self.moments = [change[0] for change in self._changed] + [one[0] for one in self._stood]

    def play(self, replay: Replay, there: Gathering, end: datetime) -> None:
        """Look up to `end`. `there` holds the member of the rule, which the replay changes."""
        while (at := self._next()) is not None and at <= end:
            self._pass(at)
            self._before = self._before and shares.is_reached(self._rule, self._counts, calmer=True)
            if not self._before:
                replay.play((), (), (), at - MICROSECOND)
                member = there.held(self._rule.pk, shares.NO_DEVICE)
                fact = shares.decided(self._rule, self._counts, member, self._in_incidents, at)
                replay.play([fact] if fact else (), (), (), at)

    def _next(self) -> datetime | None:
        """The first look after which something is no longer as it was."""
        first = min((events[0][0] for events in (self._changed, self._stood) if events), default=None)
        return None if first is None else self.since - (self.since - first) // LOOK * LOOK

    def _pass(self, at: datetime) -> None:
        while self._changed and self._changed[0][0] <= at:
            _, before, after = self._changed.popleft()
            self._counts.subtract([before] if before else ())
            self._counts.update([after] if after else ())
        while self._stood and self._stood[0][0] <= at:
            _, device, status, step = self._stood.popleft()
            self._inside[status][device] += step
            if not self._inside[status][device]:
                del self._inside[status][device]

    def _in_incidents(self, statuses: list[Status]) -> int:
        return len(set[int]().union(*(self._inside[status] for status in statuses)))


def _changed(rule: AlertRule, since: datetime, until: datetime) -> tuple[datetime, Iterable[Changed]]:
    """The changes of statuses of the devices that a rule is about, and when they begin."""
    every = StatusChange.objects.filter(organization=rule.organization_id, at__gt=since, at__lte=until)
    rows = list(every.order_by("-at", "-pk").values_list("device", "at", "before", "after")[:MOST])
    within = Asked(rule.organization_id, {device for device, *_ in rows}).within(rule)
    begins = rows[-1][1] - MICROSECOND if len(rows) == MOST else since
    mine = (row for row in reversed(rows) if within is None or row[0] in within)
    return begins, [(at, before, after) for _, at, before, after in mine]


def _counts(rule: AlertRule, at: datetime) -> Counter[str]:
    """How many of the devices that a rule is about had each status at a moment. Two queries at most."""
    then = Coalesce(_first("pk", at), "recorded_status")
    there = levels.covered(rule).filter(created_at__lte=at).annotate(then=then)
    counts = Counter(dict(there.values_list("then").annotate(number=Count("pk"))))
    if not rule.scope:
        gone = StatusChange.objects.filter(organization=rule.organization_id, after=None, at__gt=at)
        were = gone.annotate(then=_first("device", at)).exclude(then=None)
        counts.update(were.values_list("then", flat=True))
    return counts


def _first(device: str, at: datetime) -> Subquery:
    """The status that a device, which this column names, had until its first change after a moment."""
    later = StatusChange.objects.filter(device=OuterRef(device), at__gt=at)
    return Subquery(later.order_by("at", "pk").values("before")[:1])


def _stood(rule: AlertRule, since: datetime, until: datetime) -> Iterator[Stood]:
    """When devices began and ceased to stand in incidents of other rules."""
    statuses = parameters.read(rule.condition, rule.parameters).statuses
    every = IncidentMember.objects.filter(organization=rule.organization_id, incident__isnull=False)
    lasted = Q(gone_at=None) | Q(gone_at__gt=since)
    found = every.filter(lasted, status__in=statuses, due_at__lte=until).exclude(state=State.PENDING)
    columns = ("device_id", "status", "due_at", Coalesce("gone_at", "recovered_at"))
    for device, status, due_at, ended in found.exclude(rule=rule.pk).order_by().values_list(*columns):
        yield max(due_at, since), device, status, 1
        if ended is not None and ended <= until:
            yield max(ended, since), device, status, -1
