"""E-mail by a real mail server: what is taken, put off, refused, taken and not said, slow, or in the open."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from dashboard.models import User
from devices.alerts import transports, unreachable, unsubscribing
from devices.alerts.transports import email
from devices.alerts.transports.envelope import Envelope, Result
from devices.models import AlertMessage, AlertTarget
from fleets.models import Membership, Role
from tests.devices.alerts.mail_server import MailServer, certificate, mail_server
from tests.devices.alerts.sending import Receiver, T, make_message, make_target, outcome
from tests.factories import make_member, make_organization

pytestmark = pytest.mark.django_db

OPS = "ops@halden.example"


@pytest.fixture
def server(settings: Settings) -> Iterator[MailServer]:
    with mail_server() as server:
        use(settings, server)
        yield server


def use(settings: Settings, server: MailServer, *, tls: bool = False) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_USE_TLS = "localhost", server.port, tls
    settings.SITE_ADDRESS = "https://lookout.example"


@pytest.fixture
def target() -> AlertTarget:
    return make_target("email", configuration={"address": OPS}, confirmed_at=T)


class Site(Receiver):
    """Delivers by the transports themselves."""

    def send(self, envelope: Envelope) -> Result:
        return transports.send(envelope)


def person(target: AlertTarget, role: Role, name: str, **fields: str) -> User:
    address = f"{name}@halden.example"
    return make_member(target.organization, role, name, email=address, proven_email=address, **fields)


def test_it_is_taken(server: MailServer, target: AlertTarget) -> None:
    message = make_message(target)
    Site().deliver(target)
    assert outcome(message) == "accepted"
    (mail,) = server.mails
    incident = message.snapshot["incident"]
    assert mail["To"] == OPS
    assert mail["Subject"] == "[critical] 38 of 40 devices at 203.0.113.7 lost the VPN within 90 s"
    assert mail["Message-ID"] == f"<{incident}.1.{target.pk}@lookout.example>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert (mail["In-Reply-To"], mail["List-Unsubscribe"]) == (None, None)
    plain = mail.get_body(("plain",))
    html = mail.get_body(("html",))
    assert plain is not None
    assert html is not None
    for body in (plain.get_content(), html.get_content()):
        assert "pump-1: Offline since 14:02:11" in body
        assert "firewall or proxy on TCP 443 to the VPN server" in body
        assert f"https://lookout.example/incidents/{incident}/" in body


def test_an_incident_is_one_thread(server: MailServer, target: AlertTarget) -> None:
    first = make_message(target)
    Site().deliver(target)
    make_message(target, first.incident, 2, "resolved")
    Site().deliver(target)
    assert server.mails[1]["In-Reply-To"] == server.mails[1]["References"] == server.mails[0]["Message-ID"]


def test_names_of_devices_are_no_markup(server: MailServer, target: AlertTarget) -> None:
    make_message(target, summary="<b>pump</b>\r\nBcc: x@evil.example is Offline")
    Site().deliver(target)
    (mail,) = server.mails
    assert mail["Bcc"] is None
    html = mail.get_body(("html",))
    assert html is not None
    assert "<b>pump</b>" not in html.get_content()


def test_451_is_tried_again(server: MailServer, target: AlertTarget) -> None:
    server.data = "451 later"
    message, site = make_message(target), Site()
    again_at = site.deliver(target)
    assert again_at is not None
    assert (outcome(message), message.error) == ("", "The mail server answered 451: later")
    server.data = "250 taken"
    site.deliver(target, again_at)
    assert outcome(message) == "accepted"
    assert len(server.mails) == 1


@pytest.mark.parametrize("where", ["recipient", "data"])
def test_550_is_refused_and_five_of_them_pause(server: MailServer, target: AlertTarget, where: str) -> None:
    if where == "recipient":
        server.recipient[OPS] = "550 no such user"
    else:
        server.data = "550 spam"
    messages = [make_message(target) for _ in range(5)]
    Site().deliver(target)
    assert {outcome(message) for message in messages} == {"refused"}
    target.refresh_from_db()
    assert target.state == "paused"


def test_dropped_after_the_data_it_comes_again_as_the_same_mail(
    server: MailServer, target: AlertTarget
) -> None:
    """The mail server has it, and did not say so: it looks failed, hence the stable Message-ID."""
    server.drops = True
    message, site = make_message(target), Site()
    again_at = site.deliver(target)
    assert outcome(message) == ""
    server.drops = False
    site.deliver(target, again_at)
    assert outcome(message) == "accepted"
    first, second = server.mails
    assert first["Message-ID"] == second["Message-ID"]


def test_a_slow_one_is_left(server: MailServer, target: AlertTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    server.slow = 30
    monkeypatch.setattr(email, "WHOLE", 0.3)
    message = make_message(target)
    assert Site().deliver(target) is not None
    assert outcome(message) == ""


def test_starttls_is_verified(
    target: AlertTarget, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A certificate that nobody vouches for is not accepted; nothing is sent in the open instead."""
    shown, context = certificate(tmp_path, "localhost")
    with mail_server(context) as server:
        use(settings, server, tls=True)
        message, site = make_message(target), Site()
        again_at = site.deliver(target)
        assert (outcome(message), server.mails) == ("", [])
        assert "CERTIFICATE_VERIFY_FAILED" in message.error
        monkeypatch.setenv("SSL_CERT_FILE", str(shown))
        site.deliver(target, again_at)
        assert outcome(message) == "accepted"


def test_a_certificate_of_another_name_is_not_accepted(
    target: AlertTarget, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown, context = certificate(tmp_path, "other.example")
    monkeypatch.setenv("SSL_CERT_FILE", str(shown))
    with mail_server(context) as server:
        use(settings, server, tls=True)
        message = make_message(target)
        Site().deliver(target)
        assert (outcome(message), server.mails) == ("", [])


def test_an_address_that_nobody_confirmed_gets_nothing(server: MailServer, target: AlertTarget) -> None:
    AlertTarget.objects.update(confirmed_at=None)
    message = make_message(target)
    Site().deliver(target)
    assert (outcome(message), server.mails) == ("refused", [])


def test_a_site_without_mail_says_so(settings: Settings, target: AlertTarget) -> None:
    settings.EMAIL_HOST = ""
    message = make_message(target)
    assert Site().deliver(target) is not None
    assert outcome(message) == ""
    assert "EMAIL_HOST" in message.error


def test_a_person_reads_times_of_their_zone_and_can_unsubscribe(server: MailServer) -> None:
    organization = make_organization()
    target = make_target("email", organization)
    target.person = person(target, Role.OBSERVER, "mia", time_zone="Europe/Berlin")
    target.save()
    make_message(target)
    Site().deliver(target)
    (mail,) = server.mails
    plain = mail.get_body(("plain",))
    assert plain is not None
    assert "pump-1: Offline since 15:02:11" in plain.get_content()
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    token = mail["List-Unsubscribe"].strip("<>").rstrip("/").rpartition("/")[2]
    meant = unsubscribing.unsubscribe(token=token, at=T)
    assert meant
    assert meant.organization == organization
    refused = make_message(target)
    Site().deliver(target)
    assert (outcome(refused), len(server.mails)) == ("refused", 1)


def test_who_lost_access_gets_nothing(server: MailServer) -> None:
    target = make_target("email")
    target.person = person(target, Role.OBSERVER, "mia")
    target.save()
    Membership.objects.all().delete()
    message = make_message(target)
    Site().deliver(target)
    assert (outcome(message), server.mails) == ("refused", [])


def to(server: MailServer) -> list[str]:
    return [mail["To"] for mail in server.mails]


def test_everybody_with_a_role_gets_a_mail_of_their_own(server: MailServer) -> None:
    target = make_target("role", role=Role.OPERATOR)
    for role, name in ((Role.OWNER, "olga"), (Role.OPERATOR, "otto"), (Role.OBSERVER, "bob")):
        person(target, role, name)
    make_member(target.organization, Role.OPERATOR, "new", email="new@halden.example")  # has not confirmed it
    message = make_message(target)
    Site().deliver(target)
    assert outcome(message) == "accepted"
    assert to(server) == ["olga@halden.example", "otto@halden.example"]


def test_who_of_a_role_has_it_already_is_not_sent_it_again(server: MailServer) -> None:
    target = make_target("role", role=Role.OPERATOR)
    for name in ("olga", "otto", "pia"):
        person(target, Role.OPERATOR, name)
    server.recipient = {"otto@halden.example": "451 later", "pia@halden.example": "550 unknown"}
    message, site = make_message(target), Site()
    again_at = site.deliver(target)
    assert (outcome(message), to(server)) == ("", ["olga@halden.example"])
    server.recipient = {"pia@halden.example": "550 unknown"}
    site.deliver(target, again_at)
    assert (outcome(message), to(server)) == ("accepted", ["olga@halden.example", "otto@halden.example"])


def test_the_owners_are_told_that_a_target_cannot_be_reached(server: MailServer) -> None:
    target = make_target("webhook", name="Ops", last_error="It refused the connection.")
    person(target, Role.OWNER, "olga")
    person(target, Role.ADMINISTRATOR, "adam")
    message = make_message(target)
    AlertMessage.objects.filter(pk=message.pk).update(outcome="dead", next_at=None)
    unreachable.tell(target.pk)
    (mail,) = server.mails
    assert (mail["To"], mail["Subject"]) == ("olga@halden.example", "Alerts do not reach Ops")
    assert "It refused the connection." in mail.get_content()
