"""Signatures of a webhook, verified by the library of Standard Webhooks."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from devices import clock
from devices.alerts import targets, transports
from devices.alerts.target_values import Wanted
from devices.alerts.transports.envelope import Envelope
from devices.models import AlertTarget
from tests.devices.alerts.receivers import Call, WebReceiver
from tests.devices.alerts.sending import make_message
from tests.factories import make_organization

pytestmark = pytest.mark.django_db


@pytest.fixture
def hook(web: WebReceiver) -> tuple[AlertTarget, str]:
    wanted = Wanted(kind=AlertTarget.Kind.WEBHOOK, name="Ops", values={"url": f"{web.url}/hook"})
    return targets.create(organization=make_organization(), wanted=wanted, actor=None)


def sent(web: WebReceiver, target: AlertTarget, at: datetime | None = None) -> Call:
    """What the receiver gets of a message that is sent at this moment."""
    target.refresh_from_db()
    at = at or clock.now()
    transports.send(Envelope(target, [make_message(target)], at))
    return web.calls[-1]


def verify(secret: str, call: Call) -> Any:
    return Webhook(secret).verify(call.body, call.headers)


def test_it_is_verified(web: WebReceiver, hook: tuple[AlertTarget, str]) -> None:
    target, secret = hook
    event = verify(secret, sent(web, target))
    message = target.messages.get()
    assert event["specversion"] == "1.0"
    assert event["id"] == web.calls[0].headers["webhook-id"] == str(message.uuid)
    assert (event["type"], event["sequence"]) == ("lookout.incident.firing", "1")
    assert event["source"] == f"https://lookout.example/o/{target.organization.slug}"
    assert event["data"]["url"] == f"https://lookout.example{message.snapshot['url']}"
    assert event["data"]["devices"][0]["url"].startswith("https://lookout.example/devices/")


def test_another_secret_or_another_body_is_refused(web: WebReceiver, hook: tuple[AlertTarget, str]) -> None:
    target, secret = hook
    call = sent(web, target)
    with pytest.raises(WebhookVerificationError):
        verify("whsec_" + "A" * 43 + "=", call)
    changed = json.dumps(call.json | {"type": "lookout.incident.resolved"}).encode()
    with pytest.raises(WebhookVerificationError):
        verify(secret, Call(call.method, call.path, call.headers, changed))


def test_a_replay_is_refused_after_five_minutes(web: WebReceiver, hook: tuple[AlertTarget, str]) -> None:
    target, secret = hook
    old = sent(web, target, clock.now() - timedelta(minutes=6))
    with pytest.raises(WebhookVerificationError, match="too old"):
        verify(secret, old)


def test_while_a_secret_is_rotated_both_verify(web: WebReceiver, hook: tuple[AlertTarget, str]) -> None:
    target, former = hook
    newest = targets.rotate_secret(target=target, actor=None)
    call = sent(web, target)
    assert verify(former, call) == verify(newest, call)
    rotated = clock.now() - targets.ROTATION
    newer = targets.rotate_secret(target=target, actor=None, at=rotated)
    call = sent(web, target)
    verify(newer, call)
    with pytest.raises(WebhookVerificationError):
        verify(newest, call)


def test_a_secret_is_not_in_the_database(hook: tuple[AlertTarget, str]) -> None:
    target, secret = hook
    assert secret.removeprefix("whsec_") not in target.secrets
    assert target.secret_end == secret[-4:]
