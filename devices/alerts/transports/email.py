"""E-mail by the site's own mail server: to an address of the organization, or to a person."""

from __future__ import annotations

import smtplib
import socket
import threading
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection

from devices.alerts import unsubscribing, wishes
from devices.alerts.transports.envelope import Envelope, Field, Outcome, Result
from fleets.access import roles
from fleets.models import Role
from fleets.postgres import availability

if TYPE_CHECKING:
    from fleets.actor import Person

FIELDS: Final = (Field("address", "E-mail address", "A link that is sent there must be opened first."),)
WHOLE: Final = 30.0  # seconds of an attempt
NOT_TAKEN: Final = "This person is not a member with a confirmed address, or receives no e-mail about this."
NO_MAIL: Final = "This site sends no mail. Its setting EMAIL_HOST names the mail server."


def send(envelope: Envelope) -> Result:
    """Send it to the target's person, if they are still a member, or to its confirmed address."""
    target = envelope.target
    if target.person is not None:
        if not may_receive(target.person, Role.OBSERVER, envelope):
            return Result(Outcome.REFUSED, NOT_TAKEN)
        return send_to_person(envelope, target.person)
    if target.confirmed_at is None:
        return Result(Outcome.REFUSED, "Nobody has confirmed the address yet.")
    return post(envelope, envelope.value("address"), str(target.pk))


def may_receive(person: Person, role: Role, envelope: Envelope) -> bool:
    """Whether this person has the role now and an address that is theirs, and takes mail of this."""
    organization = envelope.target.organization_id
    return (
        person.email_is_proven
        and roles.still_has(person.pk, role, organization)
        and any(wishes.takes(person, organization, message) for message in envelope.messages)
    )


def send_to_person(envelope: Envelope, person: Person) -> Result:
    """Send it to this person's address, with times in their zone and a link by which they get no more."""
    zone = getattr(person, "time_zone", "")
    organization = envelope.target.organization_id
    rules = wishes.rules_of(envelope.messages, organization)
    link = unsubscribing.link(person.pk, organization, rules)
    recipient = f"{envelope.target.pk}-{person.pk}"
    return post(envelope, person.email, recipient, zone=ZoneInfo(zone) if zone else None, unsubscribe=link)


def post(
    envelope: Envelope, address: str, recipient: str, *, zone: ZoneInfo | None = None, unsubscribe: str = ""
) -> Result:
    """Send it to this address. `recipient` is the part of its Message-ID that names who receives it."""
    if not settings.EMAIL_HOST:
        return Result(Outcome.FAILED, NO_MAIL, away=True)
    text = envelope.worded(zone)
    mail = EmailMultiAlternatives(
        subject=" ".join(text.subject.split()),
        body=text.plain + (f"\n\nReceive no more of these by e-mail: {unsubscribe}" if unsubscribe else ""),
        to=[address],
        headers=headers(envelope, recipient, unsubscribe),
    )
    mail.attach_alternative(text.html(unsubscribe=unsubscribe), "text/html")
    return posted(mail)


def headers(envelope: Envelope, recipient: str, unsubscribe: str) -> dict[str, str]:
    """Headers that make one thread of an incident, and the same mail of each attempt.

    RFC 3834 (Auto-Submitted), RFC 8058 (List-Unsubscribe-Post).
    """
    message, host = envelope.message, urlsplit(settings.SITE_ADDRESS).hostname
    found = {"Auto-Submitted": "auto-generated", "Message-ID": f"<{message.uuid}.{recipient}@{host}>"}
    if message.incident_id and len(envelope.messages) == 1 and not message.digest:
        incident = message.snapshot["incident"]
        found["Message-ID"] = f"<{incident}.{message.number}.{recipient}@{host}>"
        if message.number > 1:
            found["In-Reply-To"] = found["References"] = f"<{incident}.1.{recipient}@{host}>"
    if unsubscribe:
        found["List-Unsubscribe"] = f"<{unsubscribe}>"
        found["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return found


def posted(mail: EmailMultiAlternatives) -> Result:
    """Hand a mail to the mail server, within WHOLE seconds, and say how that ended.

    No connection to the database waits for it.
    """
    availability.let_go()
    connection = get_connection()
    alarm = threading.Timer(WHOLE, hang_up, [connection])
    alarm.start()
    try:
        connection.send_messages([mail])
    except smtplib.SMTPRecipientsRefused as error:
        code, said = next(iter(error.recipients.values()))
        return _refused(code, said, permanent=True)
    except smtplib.SMTPResponseException as error:
        return _refused(error.smtp_code, error.smtp_error, permanent=isinstance(error, smtplib.SMTPDataError))
    except (smtplib.SMTPException, OSError) as error:
        return Result(Outcome.FAILED, str(error) or type(error).__name__, away=True)
    finally:
        alarm.cancel()
    return Result(Outcome.ACCEPTED, "The mail server accepted it.")


def _refused(code: int, said: bytes | str, *, permanent: bool) -> Result:
    """5xx about the recipient or the text is final; what is about the account, the site may change."""
    words = said.decode(errors="replace") if isinstance(said, bytes) else said
    final = permanent and 500 <= code < 600
    return Result(
        Outcome.REFUSED if final else Outcome.FAILED, f"The mail server answered {code}: {words}", code
    )


def hang_up(connection: Any) -> None:
    """End a conversation with a mail server that takes too long, from another thread."""
    conversation = getattr(connection, "connection", None)
    sock = getattr(conversation, "sock", None)
    if sock is not None:
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:  # it has ended
            return
