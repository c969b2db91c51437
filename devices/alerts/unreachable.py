"""Telling the owners of an organization, by e-mail, that a target could not be reached for a day."""

from __future__ import annotations

from typing import Final
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.utils import timezone
from procrastinate.contrib.django import app

from devices.alerts import handing
from devices.alerts.text import whole
from devices.alerts.transports import email
from devices.alerts.transports.envelope import Outcome
from devices.models import AlertMessage, AlertTarget
from devices.words import counted, full
from fleets.models import Membership, Role

TASK: Final = "alerts.unreachable"  # what procrastinate knows it by


class NotSent(Exception):
    """The mail server took none of them; worth another attempt."""


def tell_later(target: AlertTarget) -> None:
    """Have a worker tell the owners, once the transaction commits."""
    app.configure_task(TASK, queue=handing.QUEUE).defer(target=target.pk)


def tell(target: int) -> None:
    """Tell the owners with a confirmed address. Raises NotSent if not one of them could be sent it."""
    one = AlertTarget.objects.select_related("organization").filter(pk=target).first()
    if one is None:
        return
    owners = Membership.objects.filter(organization=one.organization, role=Role.OWNER).select_related("user")
    results = [
        email.posted(mail(one, owner.user.email))
        for owner in owners
        if owner.user.is_active and owner.user.email_is_proven and settings.EMAIL_HOST
    ]
    if results and all(result.outcome == Outcome.FAILED for result in results):
        raise NotSent(results[0].text)


def mail(target: AlertTarget, address: str) -> EmailMultiAlternatives:
    """What an owner is told of a target."""
    lost = AlertMessage.objects.filter(target=target, outcome=AlertMessage.Outcome.DEAD)
    lost = lost.filter(created_at__gt=target.accepted_at) if target.accepted_at else lost
    first = lost.order_by("created_at").first()
    with timezone.override(ZoneInfo(settings.TIME_ZONE)):
        since = full(first.created_at) if first else ""
    body = counted(
        lost.count(),
        "1 message to the target {name} of {organization} was not delivered within a day, since {since}.",
        "{n} messages to the target {name} of {organization} were not delivered within a day, since {since}.",
        name=target.name,
        organization=target.organization,
        since=since,
    )
    met = f"The last attempt met: {target.last_error}"
    more = f"The incidents are listed here: {whole('/incidents/')}"
    return EmailMultiAlternatives(
        subject=" ".join(f"Alerts do not reach {target.name}".split()),
        body=f"{body}\n\n{met}\n\n{more}",
        to=[address],
        headers={"Auto-Submitted": "auto-generated"},
    )
