"""From 40 devices that lose power to what each kind of receiver is sent, and what it says."""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from pytest_django import Settings

from devices.alerts import delivery, rules
from devices.alerts.rounds import run_round
from devices.alerts.rule_values import Step, usual
from devices.models import AlertMessage, AlertTarget, Condition, Severity
from tests.devices.alerts.receivers import WebReceiver
from tests.devices.alerts.sending import make_target
from tests.devices.alerts.test_rounds import keep_polling, make_devices, poll
from tests.factories import T0, make_fleet, seconds

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]

URL = {"url": "{web}"}
KINDS: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "webhook": (URL, {"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}),
    "slack": ({}, URL),
    "teams": ({}, URL),
    "ntfy": (URL | {"topic": "ops"}, {}),
    "gotify": (URL, {"token": "t"}),
    "pushover": (URL, {"token": "t", "user": "u"}),
    "telegram": (URL | {"chat": "1"}, {"token": "1:x"}),
    "pagerduty": (URL, {"routing_key": "r"}),
    "alertmanager": (URL, {}),
    "email": ({"address": "ops@halden.example"}, {}),
}


def at_web(values: dict[str, str], kind: str, web: WebReceiver) -> dict[str, str]:
    return {name: value.format(web=f"{web.url}/{kind}") for name, value in values.items()}


def test_a_site_outage_is_one_message(web: WebReceiver, settings: Settings) -> None:
    settings.EMAIL_HOST = "mail.example"
    fleet = make_fleet(vpn_enabled=False, poll_interval=60)
    targets = [
        make_target(
            kind,
            fleet.organization,
            at_web(hidden, kind, web),
            configuration=at_web(shown, kind, web),
            confirmed_at=T0,
        )
        for kind, (shown, hidden) in KINDS.items()
    ]
    wanted = usual(
        "Lost together",
        Condition.TOGETHER,
        Severity.CRITICAL,
        steps=[Step(timedelta(0), targets)],
        hold=timedelta(seconds=60),
    )
    rules.create(organization=fleet.organization, wanted=wanted, actor=None, at=T0)
    devices = make_devices(fleet, 40, public_address="203.0.113.7")
    for number, device in enumerate(devices):
        poll([device], number)
    for at in range(0, 500, 35):
        look(targets, at)
    poll(devices, 500)
    keep_polling(devices, 550, 650)
    for at in range(501, 650, 30):
        look(targets, at)
    assert told() == {target.kind: ["first", "resolved"] for target in targets}
    assert not AlertMessage.objects.exclude(outcome="accepted").exists()
    assert {bodies(web, kind) for kind in KINDS if kind != "alertmanager"} == {0, 2}
    first, over = mail.outbox
    site = r"\[critical\] 40 of 40 devices at 203\.0\.113\.7"
    assert re.fullmatch(site + r" lost the API heartbeat within \d+\Ws and are Offline", str(first.subject))
    assert over.subject.startswith("Over after ")
    assert all(device.name in str(first.body) for device in devices)


def look(targets: list[AlertTarget], at: float) -> None:
    """A round at this moment, and a worker after it."""
    run_round(T0 + seconds(at))
    for target in targets:
        delivery.deliver(target.pk, now=lambda: T0 + seconds(at))


def told() -> dict[str, list[str]]:
    """Which kinds of messages each kind of target was sent, in order."""
    found: dict[str, list[str]] = defaultdict(list)
    messages = AlertMessage.objects.exclude(target__kind="page").order_by("created_at", "pk")
    for kind, of in messages.values_list("target__kind", "kind"):
        found[kind].append(of)
    return dict(found)


def bodies(web: WebReceiver, kind: str) -> int:
    """How many requests came for this kind, each of which can be read."""
    read: list[Any] = [call.json for call in web.calls if call.path.startswith(f"/{kind}")]
    return len(read)
