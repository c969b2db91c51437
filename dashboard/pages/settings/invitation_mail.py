"""Sending an invitation's link to its e-mail address, on sites that send mail."""

from __future__ import annotations

import logging
from typing import Final

from allauth.account.adapter import get_adapter
from allauth.core.ratelimit import consume
from django.conf import settings
from django.http import HttpRequest

from dashboard.account.adapter import MAILS
from dashboard.http.concurrency_limits import Full
from dashboard.http.scope import person
from fleets.models import Invitation, Role

logger = logging.getLogger(__name__)
OFTEN: Final = "You have invited many people by e-mail within an hour. Send this link yourself."
BUSY: Final = "The server is busy with other e-mails. Send this link yourself."
REFUSED: Final = "The mail server did not take it. Send this link yourself."


def send(request: HttpRequest, invitation: Invitation, link: str) -> str | None:
    """Send the link of an invitation, which is committed and also shown on the page.

    Returns "" if it was sent, the sentence that tells why if not, and None if there is nothing to send: the
    invitation is for no address, or the site sends no mail.
    """
    if not (invitation.email and settings.EMAIL_HOST):
        return None
    inviter = person(request)
    if not consume(request, action="invite", user=inviter):
        return OFTEN
    context = {"invitation": invitation, "link": link, "role": Role(invitation.role), "inviter": inviter}
    try:
        with MAILS.slot():
            get_adapter().send_mail("invitations/email/invitation", invitation.email, context)
    except Full:
        return BUSY
    except OSError:  # errors of smtplib are OSErrors
        logger.exception("An invitation was not sent by e-mail")
        return REFUSED
    return ""
