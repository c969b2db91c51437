"""What a target last accepted of an incident."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Final

from django.db.models import Q

from devices.models import AlertMessage, AlertTarget, Incident, Told

Kind = AlertMessage.Kind

STATES: Final = {
    Kind.ACKNOWLEDGED: Told.State.ACKNOWLEDGED,
    Kind.RESOLVED: Told.State.RESOLVED,
}


def state_of(message: AlertMessage) -> Told.State:
    """What a target that has accepted the message knows."""
    return STATES.get(Kind(message.kind), Told.State.FIRING)


def resolve(pairs: Iterable[tuple[Incident, AlertTarget]], at: datetime) -> None:
    """Write that these targets know that the incidents are over, from a message about another one."""
    known = [Q(incident=incident, target=target) for incident, target in pairs]
    if known:
        Told.objects.filter(reduce(or_, known)).update(state=Told.State.RESOLVED, members=0, at=at)


def record(messages: Iterable[AlertMessage], at: datetime) -> None:
    """Write that their targets have accepted these; of several about one incident, the one of most number."""
    newest: dict[tuple[int, int], AlertMessage] = {}
    for message in sorted(messages, key=lambda one: one.number):
        if message.incident_id:
            newest[message.incident_id, message.target_id] = message
    rows = [
        Told(
            incident_id=incident,
            target_id=target,
            state=state_of(message),
            members=message.snapshot["members"]["now"],
            rank=message.snapshot["rank"],
            number=message.number,
            at=at,
        )
        for (incident, target), message in newest.items()
    ]
    Told.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["incident", "target"],
        update_fields=["state", "members", "rank", "number", "at"],
    )
