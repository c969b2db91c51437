"""Confirming the e-mail address of a target: by a link that is sent there."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from django.conf import settings
from django.core import signing
from django.core.mail import EmailMultiAlternatives
from django.db import transaction

from devices.alerts.refusals import Invalid
from devices.alerts.text import whole
from devices.alerts.transports import email
from devices.alerts.transports.envelope import Result
from devices.models import AlertTarget
from fleets import audit
from fleets.access import roles
from fleets.models import Role

if TYPE_CHECKING:
    from fleets.actor import Actor

SALT: Final = "lookout.alerts.confirm"
WORKS_FOR: Final = timedelta(days=7)
PATH: Final = "/confirm-target/"


def send_link(*, target: AlertTarget, actor: Actor) -> Result:
    """Send the link to the target's address; returns how that ended.

    Call it outside a transaction. Raises PermissionDenied; Invalid where there is nothing to confirm.
    """
    roles.require(actor, Role.ADMINISTRATOR, target.organization)
    if target.kind != AlertTarget.Kind.EMAIL or target.confirmed_at is not None:
        raise Invalid("target", "There is no address to confirm.")
    if not settings.EMAIL_HOST:
        raise Invalid("target", email.NO_MAIL)
    address = target.configuration["address"]
    link = whole(f"{PATH}{signing.dumps([str(target.uuid), address], salt=SALT)}/")
    body = (
        f"{actor.get_username()} wants alerts of {target.organization} to be sent to this address. If you"
        f" agree, open this link and confirm:\n\n{link}\n\nThe link works for 7 days. If you do not agree,"
        " you do not need to do anything."
    )
    return email.posted(
        EmailMultiAlternatives(
            subject=" ".join(f"Alerts of {target.organization} on Lookout".split()), body=body, to=[address]
        )
    )


def read(token: str) -> AlertTarget | None:
    """The target whose present address a link means; None: the link does not work, or no longer."""
    try:
        uuid, address = signing.loads(token, salt=SALT, max_age=WORKS_FOR)
    except (signing.BadSignature, ValueError):
        return None
    found = AlertTarget.objects.filter(uuid=uuid, kind=AlertTarget.Kind.EMAIL, configuration__address=address)
    return found.select_related("organization").first()


@transaction.atomic
def confirm(*, token: str, at: datetime) -> AlertTarget | None:
    """Confirm the address, by anyone who has the link. None: the link does not work, or no longer."""
    target = read(token)
    if target is None:
        return None
    if AlertTarget.objects.filter(pk=target.pk, confirmed_at=None).update(confirmed_at=at):
        subject = ("alert-target", str(target.uuid), target.name)
        audit.record(
            "alert-target-confirmed",
            actor=None,
            by="a link in a mail",
            organization=target.organization,
            subject=subject,
            at=at,
        )
    return target
