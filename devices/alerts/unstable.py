"""Links that change often, as facts of rules: from the change that was one too many until an hour is calm."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime

from msgspec.structs import replace

from devices import clock
from devices.alerts.changes import scoped
from devices.alerts.levels import NOT_HELD
from devices.alerts.lifecycle import Fact, Reason, microseconds
from devices.history.flapping import marks_of
from devices.listing.incidents import lost_of
from devices.models import AlertRule, Device
from devices.status.reading import as_recorded

WHAT = "changes"


def facts(
    rule: AlertRule, changed: Collection[int], held: Collection[int], since: datetime, until: datetime
) -> Iterator[Fact]:
    """Of devices whose links changed, and of members: marks that began or ended after `since`, or last."""
    devices = {*changed, *held}
    within = scoped(rule, devices)
    mine = Device.objects.filter(organization=rule.organization_id, pk__in=devices).order_by()
    about = mine.exclude(recorded_status__in=NOT_HELD).values_list("pk", flat=True)
    marks = marks_of([pk for pk in about if within is None or pk in within], until)
    now = as_recorded(Device.objects.filter(pk__in=list(marks)), clock.listened(until))
    lost = {item.id: item for item in lost_of(now)} if marks else {}
    for device, spans in marks.items():
        for began, ended in spans:
            if device in lost and (ended is None or ended > since):
                what = replace(lost[device], what=WHAT, moment=microseconds(began))
                yield Fact(began, rule.pk, device, what)
            if ended is not None and ended > since:
                yield Fact(ended, rule.pk, device, None)
    for device in {*held} - marks.keys():  # it is frozen, say, or the rule is no longer about it
        yield Fact(until, rule.pk, device, None, Reason.CHANGED)
