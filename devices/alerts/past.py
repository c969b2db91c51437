"""What a rule would have found in the past, as facts: of what history keeps, by what rounds find it by.

What devices share, which of them a rule is about and how often they poll is as it is today. Devices that were
deleted since are left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection
from django.db.models import F, Q, QuerySet

from devices import clock
from devices.alerts import changes, levels, recorded
from devices.alerts.changes import NO_MORE
from devices.alerts.comparing import as_lost
from devices.alerts.gathering import Gathering
from devices.alerts.learning import LONGEST
from devices.alerts.levels import NOT_HELD
from devices.alerts.lifecycle import MICROSECOND, Fact, unseen_since
from devices.alerts.replay import Replay
from devices.alerts.unstable import Marks, overlay
from devices.history import silences
from devices.history.flapping import LOOKED_BACK, Span, marks_between
from devices.listing.grouping import Lost
from devices.listing.trouble import lost_of
from devices.models import AlertRule, Condition, Device, StatusChange
from devices.rules.vocabulary import Status
from devices.status.reading import as_recorded

MOST: Final = 200_000  # changes of statuses that are looked at, the newest
LINKS: Final = 2 * MOST  # changes of links
AT_ONCE: Final = 10_000  # changes of statuses that are read by one statement, since each takes a kilobyte
CHOSEN: Final = """
SELECT id, at FROM devices_statuschange
WHERE organization_id = %(organization)s AND at > %(since)s AND at <= %(until)s
ORDER BY at DESC, id DESC LIMIT %(most)s
"""
Spans = Mapping[int, Sequence[Span]]  # by device: when a condition was true of it, in order
# Of facts, and when they begin, if that is later than was asked for.
Found = tuple[list[Fact], datetime | None]


class Past:
    """What happened after `since`, and which links were marked then; `cut`: there was more before.

    `moments`: of what happened; `devices`: to which of them, by primary key; `unseen_since`: from when on
    interruptions of ours may say when these were lost.
    """

    def __init__(self, facts: Sequence[Fact], marks: Marks, since: datetime, *, cut: bool) -> None:
        self._facts, self._marks = facts, list(overlay(marks, since))
        self.since, self.cut = since, cut
        self.moments = [fact.at for fact in facts]
        self.devices = {fact.device for fact in facts}
        self.unseen_since = unseen_since(facts)

    def play(self, replay: Replay, _there: Gathering, end: datetime) -> None:
        """Have it played up to `end`, which is later each time."""
        facts, self._facts = self._facts, ()
        marks, self._marks = self._marks, []
        replay.play(facts, (), (), end, marks)


def read(rule: AlertRule, since: datetime, until: datetime) -> Past:
    """Of a rule of one of the conditions in FACTS. A few queries, whatever the number of devices."""
    found, begins = FACTS[Condition(rule.condition)](rule, since, until)
    devices = list({fact.device for fact in found})
    marks, marked = marks_between(devices, since - LOOKED_BACK, until, LINKS)
    begin = max(filter(None, (since, begins, marked)))
    return Past([fact for fact in found if fact.at > begin], marks, begin, cut=begin > since)


def _by_status(rule: AlertRule, since: datetime, until: datetime) -> Found:
    asked: dict[str, Any] = {"organization": rule.organization_id, "since": since, "until": until}
    with connection.cursor() as cursor:
        cursor.execute(CHOSEN, asked | {"most": MOST})
        chosen: list[tuple[int, datetime]] = cursor.fetchall()[::-1]
    found = list[Fact]()
    for start in range(0, len(chosen), AT_ONCE):
        found += changes.facts(changes.signalled(chosen[start : start + AT_ONCE]), [rule])
    return found, chosen[0][1] - MICROSECOND if len(chosen) == MOST else None


def _flapping(rule: AlertRule, since: datetime, until: datetime) -> Found:
    devices = list(levels.covered(rule).values_list("pk", flat=True))
    marks, begins = marks_between(devices, since - LOOKED_BACK, until, LINKS)
    return _of_spans(rule, marks, since, until), begins


def _silent(rule: AlertRule, since: datetime, until: datetime) -> Found:
    longer = levels.longer_than(rule)
    away = recorded.away(since - longer, until)
    lost = sum((ended - began for began, ended in away.spans), timedelta())
    devices = list(contacting(rule).values_list("pk", flat=True))
    spans: dict[int, list[Span]] = defaultdict(list)
    found = silences.between(devices, longer, since - longer - lost, until, MOST // 2)
    for device, last, following in reversed(found):
        began = levels.reached(rule, last, away)
        if following is None or began < following:
            spans[device].append((began, following))
    begins = levels.reached(rule, found[-1][1], away) if len(found) == MOST // 2 else None
    return _of_spans(rule, spans, since, until), begins


def contacting(rule: AlertRule) -> QuerySet[Device]:
    """The devices of a rule whose contacts are known here: but for those of sources."""
    return levels.covered(rule).filter(mirrored=None)


def _never_came(rule: AlertRule, since: datetime, until: datetime) -> Found:
    longer = levels.longer_than(rule)
    came = Q(first_contact_at__lte=F("created_at") + longer)
    expected = levels.covered(rule).filter(created_at__lte=until - longer).exclude(came)
    spans: dict[int, list[Span]] = {}
    columns = ("pk", "created_at", "first_contact_at", "deactivated_at")
    rows = list(expected.values_list(*columns))
    away = recorded.away(since - LONGEST, until, [device for device, *_ in rows])
    for device, created, first, deactivated in rows:
        began, ended = levels.reached(rule, created, away.of(device)), first or deactivated
        if ended is None or began < ended:
            spans[device] = [(began, ended)]
    return _of_spans(rule, spans, since, until), None


FACTS: Final[dict[Condition, Callable[[AlertRule, datetime, datetime], Found]]] = {
    Condition.STATUS: _by_status,
    Condition.TOGETHER: _by_status,
    Condition.FLAPPING: _flapping,
    Condition.SILENT: _silent,
    Condition.NEVER_CAME: _never_came,
}


def _of_spans(rule: AlertRule, spans: Spans, since: datetime, until: datetime) -> list[Fact]:
    """When a condition became true of devices, and when no longer, but while they were locked."""
    now = as_recorded(Device.objects.filter(pk__in=list(spans)), clock.listened(until))
    lost = {item.id: item for item in lost_of(now)} if spans else {}
    locks = _locks(rule, lost, since, until)
    return [fact for item in lost.values() for fact in _of_device(rule, item, spans[item.id], locks[item.id])]


Lock = tuple[datetime, str]  # from then on a device is locked, for this reason; empty: no longer


def _of_device(rule: AlertRule, lost: Lost, spans: Sequence[Span], locks: Sequence[Lock]) -> Iterator[Fact]:
    for at, reason in locks:
        if reason:
            yield Fact(at, rule.pk, lost.id, None, reason)
    for began, ended in spans:
        locked = next((reason for at, reason in reversed(locks) if at <= began), "")
        again = (at for at, reason in locks if not reason and began < at and (ended is None or at < ended))
        for at in again if locked else (began, *again):
            yield Fact(at, rule.pk, lost.id, as_lost(rule, lost, began))
        if ended is not None:
            yield Fact(ended, rule.pk, lost.id, None)


def _locks(
    rule: AlertRule, lost: Mapping[int, Lost], since: datetime, until: datetime
) -> Mapping[int, Sequence[Lock]]:
    """By device: since when it was locked, so that a rule does not hold it, or no longer, in order."""
    out = (Status.FROZEN,) if rule.condition == Condition.NEVER_CAME else NOT_HELD
    found: dict[int, list[Lock]] = {pk: [] for pk in lost}
    about = Q(before__in=NOT_HELD) | Q(after__in=NOT_HELD)
    rows = StatusChange.objects.filter(about, device__in=list(lost), at__gt=since, at__lte=until)
    for device, before, after, at in rows.order_by("at", "pk").values_list("device", "before", "after", "at"):
        if not found[device] and before in out:
            found[device].append((since, NO_MORE[before]))
        found[device].append((at, NO_MORE[after] if after in out else ""))
    for device, locks in found.items():
        if not locks and lost[device].status in out:
            locks.append((since, NO_MORE[lost[device].status]))
    return found
