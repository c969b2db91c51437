"""Everybody who has a role now, each by e-mail of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from devices.alerts import own_steps
from devices.alerts.transports import email
from devices.alerts.transports.envelope import Envelope, Outcome, Result
from devices.models import AlertMessage
from fleets.models import Membership, Role

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fleets.actor import Person

FIELDS: Final = ()
NOBODY: Final = "Nobody with this role takes mail at a confirmed address."
EACH_ALONE: Final = "Each person with this role is told at their own address."


def send(envelope: Envelope) -> Result:
    """Send it to each of them who has not received it yet. It is accepted once nobody is left.

    An address that the mail server refuses for good is left out. It fails while another attempt may reach
    one more of them.
    """
    results = []
    for person in recipients(envelope):
        result = Result(Outcome.ACCEPTED)
        if person.pk not in envelope.message.received_by:
            result = email.send_to_person(envelope, person)
            if result.outcome == Outcome.ACCEPTED:
                envelope.took(person.pk)
        results.append(result)
    if not results:
        alone = own_steps.told_alone(envelope.target.organization_id)
        return Result(Outcome.ACCEPTED, EACH_ALONE) if alone else Result(Outcome.REFUSED, NOBODY)
    order = (Outcome.FAILED, Outcome.ACCEPTED, Outcome.REFUSED)
    return min(results, key=lambda result: order.index(result.outcome))


def recipients(envelope: Envelope) -> Iterator[Person]:
    """Who has the role at this moment, with a confirmed address, and is not told alone.

    A test is for whoever is told alone, too.
    """
    target = envelope.target
    is_test = envelope.message.kind == AlertMessage.Kind.TEST
    alone = set[int]() if is_test else own_steps.told_alone(target.organization_id)
    role = Role(target.role)
    members = Membership.objects.filter(organization=target.organization_id).select_related("user")
    for membership in members.order_by("pk"):
        if membership.user_id not in alone and email.may_receive(membership.user, role, envelope):
            yield membership.user
