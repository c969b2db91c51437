"""Links that change often: from the change that was one too many until an hour is calm.

Rules about that hold their devices so long. A device that any rule holds is marked so long, and does not
leave its incident while it is: what comes and goes all the time is told once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime

from devices import clock
from devices.alerts.comparing import as_lost
from devices.alerts.levels import NOT_HELD
from devices.alerts.lifecycle import Fact, Mark, Reason
from devices.alerts.scopes import Asked
from devices.history.flapping import Span
from devices.listing.trouble import lost_of
from devices.models import AlertRule, Device
from devices.status.reading import as_recorded

# When a link of each device was marked, in order; None: still. Without any it is calm.
Marks = Mapping[int, Sequence[Span]]


def facts(
    rule: AlertRule, marks: Marks, held: Collection[int], since: datetime, until: datetime
) -> Iterator[Fact]:
    """Of devices with marks, and of members: marks that lasted after `since`, and the end of the last one."""
    devices = {*marks, *held}
    within = Asked(rule.organization_id, devices).within(rule)
    mine = Device.objects.filter(organization=rule.organization_id, pk__in=devices).order_by()
    about = mine.exclude(recorded_status__in=NOT_HELD).values_list("pk", flat=True)
    found = {pk: marks[pk] for pk in about if pk in marks and (within is None or pk in within)}
    now = as_recorded(Device.objects.filter(pk__in=list(found)), clock.listened(until))
    lost = {item.id: item for item in lost_of(now)} if found else {}
    for device, spans in found.items():
        for began, ended in _told(spans, since):
            if device in lost and _lasted(ended, since):
                yield Fact(began, rule.pk, device, as_lost(rule, lost[device], began))
            if ended is not None:
                yield Fact(ended, rule.pk, device, None)
        if not spans:
            yield Fact(since, rule.pk, device, None)
    for device in {*held} - found.keys():  # it is frozen, say, or the rule is no longer about it
        yield Fact(until, rule.pk, device, None, Reason.CHANGED)


def overlay(marks: Marks, since: datetime) -> Iterator[Mark]:
    """What of the marks was so after `since`, and that the last one of a device has ended."""
    for device, spans in marks.items():
        for began, ended in _told(spans, since):
            if _lasted(ended, since):
                yield Mark(max(began, since), device, unstable=True)
            if ended is not None:
                yield Mark(ended, device, unstable=False)
        if not spans:
            yield Mark(since, device, unstable=False)


def _told(spans: Sequence[Span], since: datetime) -> Iterator[Span]:
    """Those that lasted after `since`; the last one in any case.

    A round that found nothing to do may have passed its end, without looking at links.
    """
    for number, (began, ended) in enumerate(spans, 1):
        if _lasted(ended, since) or number == len(spans):
            yield began, ended


def _lasted(ended: datetime | None, since: datetime) -> bool:
    return ended is None or ended > since
