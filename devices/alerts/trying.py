"""Trying a target, and trying a message again; both are for Administrators."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction

from devices import clock
from devices.alerts import handing, targets, transports
from devices.alerts.refusals import Invalid
from devices.alerts.transports.envelope import Envelope, Outcome, Result
from devices.models import AlertMessage, AlertTarget
from fleets.access import roles
from fleets.models import Role

if TYPE_CHECKING:
    from fleets.actor import Actor


def send_test(
    *,
    target: AlertTarget,
    actor: Actor,
    at: datetime | None = None,
    send: Callable[[Envelope], Result] = transports.send,
) -> Result:
    """Send it a test once, and return how that ended with what was answered. It never counts as told.

    Call it outside a transaction: it waits for the receiver. Raises PermissionDenied; Invalid for the page.
    """
    at = at or clock.now()
    roles.require(actor, Role.ADMINISTRATOR, target.organization)
    if target.kind == AlertTarget.Kind.PAGE:
        raise Invalid("target", "The page needs no test.")
    by = actor.get_username()
    message = AlertMessage(
        organization=target.organization,
        target=target,
        number=0,
        kind=AlertMessage.Kind.TEST,
        snapshot={"reason": "test", "by": by, "as_of": at.isoformat(timespec="seconds")},
        as_of=at,
        created_at=at,
        attempts=1,
    )
    result = send(Envelope(target, [message], at))
    _tested(message, result, actor, at)
    return result


@transaction.atomic
def _tested(message: AlertMessage, result: Result, actor: Actor, at: datetime) -> None:
    accepted = result.outcome == Outcome.ACCEPTED
    message.outcome = AlertMessage.Outcome.ACCEPTED if accepted else AlertMessage.Outcome.REFUSED
    message.accepted_at, message.error = (at, "") if accepted else (None, result.text[:500])
    message.save()
    if accepted:
        new = AlertTarget.objects.filter(pk=message.target_id, state=AlertTarget.State.NEW)
        new.update(state=AlertTarget.State.WORKS, state_since=at)
    targets.record("alert-target-tested", message.target, actor, at, after={"outcome": str(result.outcome)})


@transaction.atomic
def send_again(*, message: AlertMessage, actor: Actor | None, at: datetime | None = None) -> None:
    """Try again to deliver a message that was given up or refused.

    Raises PermissionDenied; Invalid where it has not ended so, or the target has accepted a newer one.
    """
    at, target = at or clock.now(), targets.held(message.target, actor)
    mine = AlertMessage.objects.filter(incident=message.incident_id, target=target)
    newer = mine.filter(number__gt=message.number, outcome=AlertMessage.Outcome.ACCEPTED)
    if message.incident_id and newer.exists():
        raise Invalid("message", "A newer message about this incident has arrived.")
    failed = (AlertMessage.Outcome.DEAD, AlertMessage.Outcome.REFUSED)
    ended = AlertMessage.objects.filter(pk=message.pk, outcome__in=failed).exclude(
        kind=AlertMessage.Kind.TEST
    )
    if not ended.update(outcome="", next_at=at, created_at=at, attempts=0):
        raise Invalid("message", "Only a message that was not delivered can be sent again.")
    handing.wake([target.pk])
    targets.record("alert-sent-again", target, actor, at, after={"number": message.number})
