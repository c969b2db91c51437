"""An invitation for an e-mail address is mailed there by a real mail server; its link is shown anyway."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, cast

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from django.db import connection
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from dashboard.account.adapter import MAILS
from dashboard.models import User
from dashboard.pages.settings import invitation_mail
from fleets.models import Invitation, Organization, Role
from fleets.services import invitations
from tests.at_once import WAIT, in_background
from tests.factories import make_member, make_organization
from tests.pages import text_of

pytestmark = pytest.mark.django_db(transaction=True)
PATH = "/settings/halden/members/invite/"
GUEST = "guest@people.example"


@dataclass
class Inbox:
    """What arrived at the mail server: each mail, and for whom. It may refuse all."""

    mails: list[tuple[list[str], EmailMessage]] = field(default_factory=list)
    refuses: bool = False

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.refuses:
            return "554 Not here"
        parsed = message_from_bytes(cast("bytes", envelope.content), policy=policy.default)
        self.mails.append((envelope.rcpt_tos, parsed))
        return "250 Taken"


class Server(Controller):
    """At a port that the system chose."""

    def _trigger_server(self) -> None:
        self.port = cast("Any", self.server).sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]


@pytest.fixture
def inbox(settings: Settings) -> Iterator[Inbox]:
    box = Inbox()
    server = Server(box, hostname="127.0.0.1", port=0)
    server.start()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    yield box
    server.stop()


@pytest.fixture
def organization() -> Organization:
    return make_organization("Halden & Rail", slug="halden")


@pytest.fixture
def owner(organization: Organization) -> User:
    return make_member(organization, Role.OWNER, "ada", first_name="Ada", last_name="Moe")


@pytest.fixture
def client(owner: User) -> Client:
    client = Client()
    client.force_login(owner)
    return client


def invite(client: Client, **said: str) -> Any:
    newest = invitations.newest(Organization.objects.get(slug="halden"))
    return client.post(PATH, {"role": "operator", "days": "7", "newest": newest, "email": GUEST} | said)


def test_it_is_one_plain_text_with_the_link_that_is_shown(client: Client, inbox: Inbox) -> None:
    assert "The link is sent to the address, and shown to you." in text_of(client.get(PATH))
    page = invite(client)
    ((to, sent),) = inbox.mails
    link = re.findall(r'<code id="new-link">([^<]+)</code>', page.content.decode())[0]
    assert to == [GUEST]
    assert (sent.get_content_type(), sent["To"]) == ("text/plain", GUEST)
    assert sent["Subject"] == "Invitation to Halden & Rail on Lookout"
    text = " ".join(sent.get_content().split())
    assert text.startswith("Ada Moe invites you to Halden & Rail on testserver, with the role Operator.")
    assert f" {link} " in text
    assert f"It was sent to {GUEST}." in text_of(page)


def test_its_reader_makes_an_account_by_it(client: Client, inbox: Inbox) -> None:
    invite(client)
    path = re.findall(r"http://testserver(\S+)", inbox.mails[0][1].get_content())[0]
    guest = Client()
    assert "invites you to" in text_of(guest.get(path, follow=True))
    account = {"username": "guest", "email": GUEST, "password": "tangled-otter-41"}
    assert guest.post(reverse("fleets:invitation-accept"), account).status_code == 302
    assert User.objects.get(username="guest").email == GUEST


def test_a_form_that_is_sent_twice_sends_one(owner: User, inbox: Inbox) -> None:
    said = {"role": "observer", "days": "7", "newest": "", "email": GUEST}
    answers: list[Any] = []
    first, second = Client(), Client()
    for each in (first, second):
        each.force_login(owner)
    waiting = in_background(lambda: answers.append(second.post(PATH, said)))
    answers.append(first.post(PATH, said))
    waiting.join(WAIT)
    assert sorted(answer.status_code for answer in answers) == [200, 302]
    assert [to for to, _ in inbox.mails] == [[GUEST]]


def test_what_is_sent_is_committed(client: Client, inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    sent = invitation_mail.send

    def send(*args: Any) -> str | None:
        seen.append((connection.in_atomic_block, Invitation.objects.count()))
        return sent(*args)

    monkeypatch.setattr(invitation_mail, "send", send)
    invite(client)
    assert seen == [(False, 1)]


@pytest.mark.parametrize("email", ["", GUEST])
def test_without_an_address_or_without_mail_none_is_sent(
    client: Client, inbox: Inbox, settings: Settings, email: str
) -> None:
    if email:
        settings.EMAIL_HOST = ""
        assert "The link is sent to the address" not in text_of(client.get(PATH))
    words = text_of(invite(client, email=email))
    assert f"Send it to {email or 'the person you invite'}." in words
    assert not inbox.mails


def test_a_mail_that_is_refused_leaves_the_link(client: Client, inbox: Inbox) -> None:
    inbox.refuses = True
    words = text_of(invite(client))
    assert (
        f"No e-mail was sent to {GUEST}. The mail server did not take it. Send this link yourself." in words
    )
    assert "http://testserver/invitations/" in words
    assert Invitation.objects.count() == 1


def test_a_server_that_is_busy_with_mails_leaves_the_link(client: Client, inbox: Inbox) -> None:
    held = [MAILS._free.acquire(blocking=False) for _ in range(MAILS.most)]
    try:
        words = text_of(invite(client))
    finally:
        MAILS._free.release(len(held))
    assert "The server is busy with other e-mails." in words
    assert "http://testserver/invitations/" in words


def test_not_everybody_can_be_mailed(client: Client, inbox: Inbox, settings: Settings) -> None:
    settings.ACCOUNT_RATE_LIMITS = {**settings.ACCOUNT_RATE_LIMITS, "invite": "2/h/user"}
    pages = [text_of(invite(client, email=f"guest-{number}@people.example")) for number in range(3)]
    assert ["It was sent to" in words for words in pages] == [True, True, False]
    assert "You have invited many people by e-mail within an hour." in pages[2]
    assert len(inbox.mails) == 2
