"""Telling site administrators, by e-mail, of each longer outage of ours, once; nobody else is told of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.utils import timezone
from procrastinate.contrib.django import app

from devices.alerts import handing
from devices.alerts.transports import email
from devices.alerts.transports.envelope import Outcome
from devices.alerts.unreachable import NotSent
from devices.clock import Moment
from devices.models import Outage, Teller
from devices.words import duration, full

if TYPE_CHECKING:
    from fleets.actor import Person

TASK: Final = "alerts.outage"  # what procrastinate knows it by
LONG: Final = timedelta(seconds=60)  # a shorter one is not worth a message


def untold(at: Moment, looked_at: datetime | None) -> bool:
    """Whether an outage ended after the newest one that the teller has looked at; None: it never looked."""
    return looked_at is None or bool(at.outage and at.outage.end and at.outage.end > looked_at)


@transaction.atomic
def tell_later(at: Moment) -> None:
    """Have a worker tell of each long outage that the teller has not looked at, if it ever looked."""
    Teller.objects.get_or_create(pk=1)
    teller = Teller.objects.select_for_update().get(pk=1)
    looked_at = teller.outage_at
    teller.outage_at = (at.outage and at.outage.end) or looked_at
    if looked_at is None:
        teller.outage_at = at.at
    teller.save(update_fields=["outage_at"])
    for outage in Outage.objects.filter(ended_at__gt=looked_at or at.at, ended_at__lte=teller.outage_at):
        if outage.ended_at - outage.began_at > LONG:
            app.configure_task(TASK, queue=handing.QUEUE).defer(outage=outage.pk)


def tell(outage: int) -> None:
    """Tell the site administrators with a confirmed address. Raises NotSent if not one could be sent it."""
    one = Outage.objects.filter(pk=outage).first()
    if one is None or not settings.EMAIL_HOST:
        return
    people = get_user_model().objects.filter(is_superuser=True, is_active=True)
    results = [email.posted(mail(one, person)) for person in people if person.email_is_proven]
    if results and all(result.outcome == Outcome.FAILED for result in results):
        raise NotSent(results[0].text)


def mail(outage: Outage, person: Person) -> EmailMultiAlternatives:
    """What a site administrator is told of an outage, with times in the site's zone."""
    with timezone.override(ZoneInfo(settings.TIME_ZONE)):
        began, ended = full(outage.began_at), full(outage.ended_at)
    lasted = duration(outage.ended_at - outage.began_at, precise=True)
    pk = f"<outage.{outage.pk}.{person.pk}@{urlsplit(settings.SITE_ADDRESS).hostname}>"
    return EmailMultiAlternatives(
        subject=f"Lookout was down for {lasted}",
        body=(
            f"Lookout received no reports of devices from {began} to {ended}.\n\n"
            "Statuses were not changed for that time, and nobody else is told of it. A device that was lost"
            " meanwhile becomes Offline, and is told, once it should have reported again.\n\n"
            f"{settings.SITE_ADDRESS}/"
        ),
        to=[person.email],
        headers={"Auto-Submitted": "auto-generated", "Message-ID": pk},
    )
