"""Sending messages to a target: in order, one at a time, until each has ended.

Each result is written in a transaction of its own, guarded by the key of the lane; so a worker that was taken
for dead writes nothing. A message is sent twice only where a process or a connection died between the
receiver's acceptance and that transaction; it has the same id then.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Final

from django.db import transaction
from django.db.models import F, Min, QuerySet
from django.db.models.functions import Greatest

from devices import clock
from devices.alerts import (
    attempts,
    lane,
    looking,
    reposting,
    superseding,
    told,
    transports,
    unreachable,
)
from devices.alerts.lane import Lane
from devices.alerts.pacing import pace_of
from devices.alerts.transports.envelope import Envelope, Outcome, Result
from devices.models import AlertMessage, AlertTarget, Told

logger = logging.getLogger(__name__)
State = AlertTarget.State
Send = Callable[[Envelope], Result]

MOST_REFUSED: Final = 5  # in a row, after which a target is paused
LONGEST_ERROR: Final = 300  # characters that a target keeps, and
LONGEST_ERROR_OF_MESSAGE: Final = 500


def deliver(
    target: int,
    *,
    send: Send = transports.send,
    now: Callable[[], datetime] = clock.now,
    stopping: Callable[[], bool] = lambda: False,
) -> datetime | None:
    """Send what is due to the target with this primary key, the oldest first, until nothing is.

    Call it outside a transaction. Returns when to call it again; None: once another message is written.
    """
    while not stopping():
        mine = lane.take(target, now())
        if mine is None:
            return lane.free_at(target)
        try:
            while not stopping() and _send_next(mine, send, now):
                pass
        except lane.Lost:
            logger.warning("another worker sends to target %s", target)
            return lane.free_at(target)
        lane.release(mine)
        # Whoever wrote a message meanwhile found the lane taken, and left it to us.
        again_at = _next_at(target, now())
        if again_at is None or again_at > now():
            return again_at
    return _next_at(target, now())


def _send_next(mine: Lane, send: Send, now: Callable[[], datetime]) -> bool:
    """Send one message, or a bundle, if one is due and may be sent now; returns whether to look again."""
    at = now()
    _give_up(mine, at)
    target = AlertTarget.objects.select_related("organization", "person").filter(pk=mine.target).first()
    if target is None:  # deleted meanwhile
        raise lane.Lost
    if not _takes_messages(target):
        return False
    superseding.supersede(target)
    due = list(_unsent(target).filter(next_at__lte=at).select_related("incident"))
    if not due:
        return _post_again(mine, target, send, at)
    pace = pace_of(target, at)
    if pace.sends_from > at:
        _put_off(target, pace.sends_from)
        return False
    batch = due if pace.bundles else _one_mail(due)
    lane.keep(mine, at)
    took = partial(_took, mine, batch)
    envelope = Envelope(target, batch, at, fresh=_is_fresh(batch[-1]), took=took)
    _record(mine, batch, _attempt(send, envelope), now())
    return True


def _one_mail(due: Sequence[AlertMessage]) -> Sequence[AlertMessage]:
    """The oldest of these, with the others of its digest."""
    return [message for message in due if message.digest] if due[0].digest else due[:1]


def _post_again(mine: Lane, target: AlertTarget, send: Send, at: datetime) -> bool:
    """Post to an Alertmanager what it should still know; returns whether to look again, which is never."""
    due_at = reposting.next_at(target)
    if due_at is not None and due_at <= at:
        lane.keep(mine, at)
        firing = reposting.messages(target)
        result = _attempt(send, Envelope(target, firing, at))
        _posted_again(mine, result, at)
    return False


@transaction.atomic
def _posted_again(mine: Lane, result: Result, at: datetime) -> None:
    target = lane.hold(mine)
    if result.outcome == Outcome.ACCEPTED:
        target.accepted_at = at
        _be(target, State.WORKS, "", at)
    else:
        _be(target, State.FAILING, result.text, at)


def _attempt(send: Send, envelope: Envelope) -> Result:
    try:
        return send(envelope)
    except Exception as error:  # a fault of ours must not keep it from being tried again, and given up
        logger.exception("message %s", envelope.message.uuid)
        return Result(Outcome.FAILED, f"Lookout could not send it: {type(error).__name__}")


@transaction.atomic
def _record(mine: Lane, batch: Sequence[AlertMessage], result: Result, at: datetime) -> None:
    """Write how an attempt ended. Raises lane.Lost, and writes nothing, if the lane is somebody else's."""
    target = lane.hold(mine)
    sent = AlertMessage.objects.filter(pk__in=[message.pk for message in batch], outcome="")
    sent.update(attempts=F("attempts") + 1, error=result.text[:LONGEST_ERROR_OF_MESSAGE])
    if result.outcome == Outcome.ACCEPTED:
        _accepted(target, sent, batch, at)
    elif result.outcome == Outcome.FAILED:
        _failed(target, sent, batch, result, at)
    else:
        _refused(target, sent, result, at)


def _accepted(
    target: AlertTarget, sent: QuerySet[AlertMessage], batch: Sequence[AlertMessage], at: datetime
) -> None:
    sent.update(outcome=AlertMessage.Outcome.ACCEPTED, accepted_at=at, next_at=None, error="")
    told.record(batch, at)
    if target.state == State.FAILING:  # it is there again
        _unsent(target).update(next_at=at)
    target.accepted_at, target.refused_in_row = at, 0
    _be(target, State.WORKS, "", at)


def _failed(
    target: AlertTarget,
    sent: QuerySet[AlertMessage],
    batch: Sequence[AlertMessage],
    result: Result,
    at: datetime,
) -> None:
    given_up_at = min(message.created_at for message in batch) + attempts.GIVE_UP
    again_at = min(attempts.next_at(batch[-1].attempts + 1, at, result.retry_after), given_up_at)
    sent.update(next_at=again_at)
    if result.away:
        _put_off(target, again_at)
    _be(target, State.FAILING, result.text, at)


def _refused(target: AlertTarget, sent: QuerySet[AlertMessage], result: Result, at: datetime) -> None:
    sent.update(outcome=AlertMessage.Outcome.REFUSED, next_at=None)
    target.refused_in_row += 1
    pauses = result.outcome == Outcome.GONE or target.refused_in_row >= MOST_REFUSED
    _be(target, State.PAUSED if pauses else State.REFUSED, result.text, at)
    if pauses:
        looking.look_again(target.organization_id, at)


def _be(target: AlertTarget, state: State, error: str, at: datetime) -> None:
    if target.state != state:
        target.state, target.state_since = state, at
    target.last_error = error[:LONGEST_ERROR]
    target.save(update_fields=["state", "state_since", "last_error", "accepted_at", "refused_in_row"])


@transaction.atomic
def _give_up(mine: Lane, at: datetime) -> None:
    """End what could not be delivered for too long; tell the owners, once until something arrives again."""
    target = lane.hold(mine)
    old = _unsent(target).filter(created_at__lte=at - attempts.GIVE_UP)
    if not old.exists():
        return
    dead = AlertMessage.objects.filter(target=target, outcome=AlertMessage.Outcome.DEAD)
    known = dead.filter(created_at__gt=target.accepted_at) if target.accepted_at else dead
    is_first = not known.exists()
    old.update(outcome=AlertMessage.Outcome.DEAD, next_at=None)
    if is_first and _takes_messages(target):
        unreachable.tell_later(target)


def _took(mine: Lane, batch: Sequence[AlertMessage], person: int) -> None:
    """Write at once that a person of a role has the newest of these. Raises lane.Lost."""
    with transaction.atomic():
        lane.hold(mine)
        batch[-1].received_by.append(person)
        batch[-1].save(update_fields=["received_by"])


def _is_fresh(message: AlertMessage) -> bool:
    """Whether the target knows nothing of the incident, though this is not the first message about it."""
    if message.incident_id is None or message.number == 1:
        return False
    return not Told.objects.filter(incident=message.incident_id, target=message.target_id).exists()


def _put_off(target: AlertTarget, until: datetime) -> None:
    _unsent(target).update(next_at=Greatest(F("next_at"), until))


def _takes_messages(target: AlertTarget) -> bool:
    return target.enabled and target.state != State.PAUSED


def _next_at(target: int, at: datetime) -> datetime | None:
    """When something is to be done for the target: the next attempt; while it is paused, giving up."""
    one = AlertTarget.objects.filter(pk=target).first()
    if one is None:
        return None
    if not _takes_messages(one):
        oldest = _unsent(one).first()
        return oldest.created_at + attempts.GIVE_UP if oldest else None
    again_at = reposting.next_at(one)
    if again_at is not None and again_at <= at:  # it has just failed
        again_at = at + reposting.AFTER_FAILURE
    next_attempt = _unsent(one).aggregate(at=Min("next_at"))["at"]
    return min((moment for moment in (again_at, next_attempt) if moment), default=None)


def _unsent(target: AlertTarget) -> QuerySet[AlertMessage]:
    return AlertMessage.objects.filter(target=target, outcome="").order_by("created_at", "pk")
