"""Nothing waits for a receiver while it holds a connection to the database: many slow ones block nobody."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.mail.backends.base import BaseEmailBackend
from django.db import connection
from pytest_django import Settings

from devices.alerts import outbound, transports
from devices.alerts.outbound import Answer, Request
from devices.alerts.transports.envelope import Envelope, Outcome
from fleets.models import Role
from tests.devices.alerts.sending import T, make_message, make_target
from tests.factories import make_member

pytestmark = pytest.mark.django_db(transaction=True)

HELD: list[bool] = []  # of each mail: whether a connection was held


class Backend(BaseEmailBackend):
    """A mail server that looks at what its caller holds."""

    def send_messages(self, messages: Any) -> int:
        HELD.append(connection.connection is not None)
        return len(messages)


@pytest.fixture
def mail(settings: Settings) -> list[bool]:
    settings.EMAIL_BACKEND, settings.EMAIL_HOST = f"{__name__}.Backend", "mail.example"
    HELD.clear()
    return HELD


def test_a_slow_mail_server_holds_no_connection(mail: list[bool]) -> None:
    """Between two people of a role neither."""
    target = make_target("role", role=Role.OBSERVER)
    for name in ("mia", "tom"):
        address = f"{name}@halden.example"
        make_member(target.organization, Role.OBSERVER, name, email=address, proven_email=address)
    result = transports.send(Envelope(target, [make_message(target)], T))
    assert (result.outcome, mail) == (Outcome.ACCEPTED, [False, False])


def test_a_slow_service_holds_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    held = []

    def answered(request: Request) -> Answer:
        held.append(connection.connection is not None)
        return Answer(204, b"", "")

    monkeypatch.setattr(outbound, "send", answered)
    target = make_target(configuration={"url": "https://hook.example/"}, hidden={"secret": "whsec_YQ=="})
    assert transports.send(Envelope(target, [make_message(target)], T)).outcome == Outcome.ACCEPTED
    assert held == [False]
