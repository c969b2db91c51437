"""Each kind of target, by the request that its service documents."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from devices.alerts import transports
from devices.alerts.outbound import Answer
from devices.alerts.transports.envelope import Envelope, Outcome, judged
from devices.models import AlertMessage, AlertTarget
from tests.devices.alerts.receivers import Call, Reply, WebReceiver
from tests.devices.alerts.sending import T, make_message, make_target

SUMMARY = "38 of 40 devices at 203.0.113.7 lost the VPN within 90 s"


def envelope(target: AlertTarget, *messages: AlertMessage, **fields: Any) -> Envelope:
    """With one message if there is none yet."""
    return Envelope(target, messages or [make_message(target)], T, **fields)


def sent(
    web: WebReceiver, kind: str, configuration: dict[str, str], hidden: dict[str, str], of: str = "first"
) -> tuple[Call, AlertMessage]:
    """What a service of this kind is sent for a message, which it accepts."""
    target = make_target(kind, configuration=configuration, hidden=hidden)
    message = make_message(target, number=2, kind=of)
    result = transports.send(envelope(target, message))
    assert result.outcome == Outcome.ACCEPTED
    (call,) = web.calls
    assert call.method == "POST"
    assert call.headers["content-type"].startswith(("application/json", "application/cloudevents+json"))
    return call, message


pytestmark = pytest.mark.django_db


def test_slack(web: WebReceiver) -> None:
    call, message = sent(web, "slack", {}, {"url": f"{web.url}/services/T0/B0/x"})
    assert call.path == "/services/T0/B0/x"
    link = f"https://lookout.example/incidents/{message.incident.uuid}/"  # type: ignore[union-attr]
    assert call.json["text"] == f"<{link}|[critical] {SUMMARY}>"
    (attachment,) = call.json["attachments"]
    assert (attachment["color"], attachment["title_link"]) == ("#c62828", link)
    assert "• pump-1: Offline since 14:02:11" in attachment["text"]


def test_slack_escapes(web: WebReceiver) -> None:
    target = make_target("slack", hidden={"url": web.url})
    message = make_message(target, summary="<!channel> & more")
    transports.send(envelope(target, message))
    assert "&lt;!channel&gt; &amp; more" in web.calls[0].json["text"]


def test_teams(web: WebReceiver) -> None:
    call, _ = sent(web, "teams", {}, {"url": f"{web.url}/workflows/1?sig=x"})
    assert call.path == "/workflows/1?sig=x"
    (attachment,) = call.json["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    card = attachment["content"]
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
    assert (card["body"][0]["text"], card["body"][0]["color"]) == (f"[critical] {SUMMARY}", "attention")


def test_ntfy(web: WebReceiver) -> None:
    call, _ = sent(web, "ntfy", {"url": web.url, "topic": "ops"}, {"token": "tk_x"})
    assert (call.path, call.headers["authorization"]) == ("/", "Bearer tk_x")
    assert (call.json["topic"], call.json["priority"]) == ("ops", 5)
    assert call.json["title"] == f"[critical] {SUMMARY}"
    assert call.json["click"].startswith("https://lookout.example/incidents/")


def test_gotify(web: WebReceiver) -> None:
    call, _ = sent(web, "gotify", {"url": f"{web.url}/"}, {"token": "A1"}, of="resolved")
    assert (call.path, call.headers["x-gotify-key"]) == ("/message", "A1")
    assert call.json["title"] == f"Over after 26\u00a0min: {SUMMARY}"
    assert call.json["priority"] == 3


def test_pushover(web: WebReceiver) -> None:
    call, _ = sent(web, "pushover", {"url": web.url}, {"user": "u", "token": "t"})
    assert call.path == "/1/messages.json"
    assert {name: call.json[name] for name in ("token", "user", "priority")} == {
        "token": "t",
        "user": "u",
        "priority": 1,
    }
    assert len(call.json["message"]) <= 1024


def test_telegram(web: WebReceiver) -> None:
    call, _ = sent(web, "telegram", {"url": web.url, "chat": "-100"}, {"token": "1:x"})
    assert call.path == "/bot1:x/sendMessage"
    assert (call.json["chat_id"], call.json["parse_mode"]) == ("-100", "HTML")
    assert call.json["text"].startswith(f"<b>[critical] {SUMMARY}</b>\n")
    assert len(call.json["text"]) <= 4096


@pytest.mark.parametrize(
    ("kind", "action"), [("first", "trigger"), ("acknowledged", "acknowledge"), ("resolved", "resolve")]
)
def test_pagerduty(web: WebReceiver, kind: str, action: str) -> None:
    url = f"{web.url}/v2/enqueue"
    call, message = sent(web, "pagerduty", {"url": url}, {"routing_key": "r" * 32}, of=kind)
    assert (call.path, call.json["routing_key"]) == ("/v2/enqueue", "r" * 32)
    assert call.json["event_action"] == action
    assert call.json["dedup_key"] == str(message.incident.uuid)  # type: ignore[union-attr]
    payload = call.json["payload"]
    assert (payload["source"], payload["severity"]) == ("https://lookout.example", "critical")


def test_pagerduty_has_one_incident_for_all_notices_of_a_reason(web: WebReceiver) -> None:
    target = make_target("pagerduty", configuration={"url": web.url}, hidden={"routing_key": "r"})
    for number in (2, 23):
        notice = AlertMessage(
            organization=target.organization,
            target=target,
            kind="notice",
            snapshot={"reason": "storm", "incidents": number, "url": "/incidents/"},
            as_of=T,
        )
        assert transports.send(envelope(target, notice)).outcome == Outcome.ACCEPTED
    first, second = web.calls
    assert first.json["dedup_key"] == second.json["dedup_key"]
    assert second.json["payload"]["summary"] == "and 23 more incidents"


def test_alertmanager(web: WebReceiver) -> None:
    call, message = sent(web, "alertmanager", {"url": web.url}, {}, of="resolved")
    assert call.path == "/api/v2/alerts"
    (alert,) = call.json
    assert alert["labels"] == {
        "alertname": "Lookout",
        "organization": message.organization.slug,
        "incident": str(message.incident.uuid),  # type: ignore[union-attr]
        "rule": "Lost together",
        "severity": "critical",
        "cause": "address",
    }
    assert (alert["startsAt"], alert["endsAt"]) == ("2026-03-02T14:05:00Z", "2026-03-02T14:31:00Z")


def test_a_bundle_names_each_incident(web: WebReceiver) -> None:
    target = make_target("slack", hidden={"url": web.url})
    several = [make_message(target), make_message(target, severity="warning")]
    transports.send(envelope(target, *several))
    assert web.calls[0].json["text"] == "<https://lookout.example/incidents/|2 incidents>"


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, Outcome.ACCEPTED),
        (204, Outcome.ACCEPTED),
        (301, Outcome.REFUSED),
        (400, Outcome.REFUSED),
        (404, Outcome.REFUSED),
        (408, Outcome.FAILED),
        (409, Outcome.FAILED),
        (410, Outcome.GONE),
        (425, Outcome.FAILED),
        (429, Outcome.FAILED),
        (500, Outcome.FAILED),
        (503, Outcome.FAILED),
    ],
)
def test_what_an_answer_means(web: WebReceiver, status: int, outcome: Outcome) -> None:
    web.answer = lambda call: Reply(status, b"" if status == 204 else b"because")
    target = make_target("slack", hidden={"url": web.url})
    result = transports.send(envelope(target))
    assert (result.outcome, result.status) == (outcome, status)
    assert status == 204 or "because" in result.text


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        ("Mon, 02 Mar 2026 14:07:00 GMT", 120),
        ("soon", None),
        ("nan", None),
        ("-5", 0),
        ("", None),
    ],
)
def test_when_it_says_to_come_again(header: str, seconds: float | None) -> None:
    result = judged(Answer(429, b"", header), T)
    assert result.retry_after == seconds
    assert T + timedelta(seconds=result.retry_after or 0) >= T
