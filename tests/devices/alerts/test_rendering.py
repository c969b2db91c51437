"""What messages say, from their snapshots alone."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pytest_django import Settings

from devices.alerts import rendering
from devices.models import AlertMessage
from tests.devices.alerts.sending import T, make_message, make_target

pytestmark = pytest.mark.django_db

SUMMARY = "38 of 40 devices at 203.0.113.7 lost the VPN within 90 s"
BY_MIA = {"by": "mia", "at": "2026-03-02T14:00:00Z", "members": 12}


def message(kind: str, **more: Any) -> AlertMessage:
    return make_message(make_target(), kind=kind, number=2, **more)


@pytest.mark.parametrize(
    ("kind", "reason", "subject"),
    [
        ("first", "fired", f"[critical] {SUMMARY}"),
        ("update", "grew", f"[critical] {SUMMARY}"),
        ("reminder", "still", f"Still: {SUMMARY}"),
        ("acknowledged", "taken-on", f"Acknowledged by mia: {SUMMARY}"),
        ("resolved", "resolved", f"Over after 26\u00a0min: {SUMMARY}"),
    ],
)
def test_the_subject(kind: str, reason: str, subject: str) -> None:
    assert rendering.rendered(message(kind, reason=reason, acknowledged=BY_MIA)).subject == subject


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("taken-on", "mia acknowledged it at 14:00:00."),
        ("outgrown", "mia acknowledged it at 14:00:00 for 12 devices. Now it has 38."),
        (
            "open-again",
            "mia acknowledged it at 14:00:00. The acknowledgement is over, and the incident is not.",
        ),
    ],
)
def test_who_acknowledged_it(reason: str, said: str) -> None:
    assert said in rendering.rendered(message("update", reason=reason, acknowledged=BY_MIA)).paragraphs


def test_what_was_lost_while_we_were_away() -> None:
    unseen = {"from": "2026-03-02T02:00:00Z", "to": "2026-03-02T03:10:00Z"}
    said = "It was lost some time between 02:00:00 and 03:10:00, while Lookout was away."
    assert said in rendering.rendered(message("first", lost_between=unseen)).paragraphs
    assert said not in rendering.rendered(message("first")).paragraphs


def test_what_comes() -> None:
    forecast = {
        "more": 33,
        "status": "offline",
        "from": "2026-03-02T14:08:10Z",
        "to": "2026-03-02T14:24:56Z",
    }
    text = rendering.rendered(message("first", forecast=forecast))
    assert "33 more will be Offline between 14:08:10 and 14:24:56 unless they report." in text.paragraphs
    text = rendering.rendered(message("first", forecast=forecast | {"more": 1}))
    assert "1 more will be Offline at 14:24:56 unless it reports." in text.paragraphs


def test_the_whole_of_it(settings: Settings) -> None:
    settings.SITE_ADDRESS = "https://lookout.example"
    one = message("first", runbook="https://wiki.example/vpn")
    assert rendering.rendered(one).plain == "\n\n".join(
        [
            f"{SUMMARY}. This was so at 14:05:00 UTC.",
            "It began at 14:05:00.",
            "What works now: releases and settings at the next poll.",
            "What to check first: firewall or proxy on TCP 443 to the VPN server.",
            "What to do is written here: https://wiki.example/vpn",
            "- pump-1: Offline since 14:02:11\n- and 37 more",
            f"https://lookout.example/incidents/{one.snapshot['incident']}/",
        ]
    )


def test_times_are_of_the_zone_of_who_reads_it() -> None:
    text = rendering.rendered(message("resolved"), zone=ZoneInfo("Europe/Oslo"), fresh=True)
    assert text.subject == f"Was firing 15:05-15:31: {SUMMARY}"
    assert "This was so at 15:05:00 CET." in text.paragraphs[0]
    assert "It began at 15:05:00 and was over at 15:31:00." in text.paragraphs


def test_an_incident_of_days_says_which() -> None:
    text = rendering.rendered(message("resolved", resolved_at="2026-03-04T09:00:00Z"), fresh=True)
    assert text.subject == f"Was firing 2 Mar 14:05-4 Mar 09:00: {SUMMARY}"


def test_the_end_of_another_incident(settings: Settings) -> None:
    settings.SITE_ADDRESS = "https://lookout.example"
    over = [{"incident": "1", "resolved_at": "2026-03-02T14:01:00Z", "url": "/incidents/1/"}]
    assert (
        "The incident of these devices before was over at 14:01:00: https://lookout.example/incidents/1/"
        in rendering.rendered(message("first", over=over)).paragraphs
    )


@pytest.mark.parametrize(
    ("facts", "subject"),
    [
        ({"reason": "storm", "incidents": 23}, "and 23 more incidents"),
        ({"reason": "storm", "incidents": 1}, "and 1 more incident"),
        (
            {
                "reason": "missed",
                "incidents": 3,
                "began": "2026-03-02T02:00:00+00:00",
                "ended": "2026-03-02T03:10:00+00:00",
            },
            "3 incidents began and ended while alerting was away",
        ),
    ],
)
def test_notices(facts: dict[str, Any], subject: str) -> None:
    target = make_target()
    notice = AlertMessage(target=target, kind="notice", snapshot={"url": "/incidents/"} | facts, as_of=T)
    text = rendering.rendered(notice)
    assert text.subject == subject
    if facts["reason"] == "missed":
        assert text.paragraphs[0].startswith("Alerting was away 02:00-03:10.")
