"""Apprise: sent by a program of its own, with the library itself, to a receiver on loopback."""

from __future__ import annotations

import pytest
from pytest_django import Settings

from devices.alerts import secrets, targets, transports
from devices.alerts.refusals import Invalid
from devices.alerts.target_values import Wanted
from devices.alerts.transports import apprise
from devices.alerts.transports.envelope import Envelope, Outcome
from devices.models import AlertTarget
from tests.devices.alerts.receivers import Reply, WebReceiver
from tests.devices.alerts.sending import T, make_message, make_target
from tests.factories import make_organization

pytestmark = pytest.mark.django_db
Kind = AlertTarget.Kind
HERE = "json://127.0.0.1"


def envelope(url: str, kind: str = "first") -> Envelope:
    target = make_target("apprise", hidden={"url": url})
    return Envelope(target, [make_message(target, kind=kind)], T)


@pytest.mark.parametrize(("kind", "said"), [("first", "failure"), ("resolved", "success")])
def test_what_a_service_is_sent(web: WebReceiver, kind: str, said: str) -> None:
    sent = envelope(f"{HERE}:{web.port}/hook", kind)
    assert transports.send(sent).outcome == Outcome.ACCEPTED
    (call,) = web.calls
    assert (call.path, call.json["title"], call.json["type"]) == ("/hook", sent.text.subject, said)
    assert call.json["message"].startswith(sent.text.brief)
    assert call.json["message"].endswith(sent.text.url)


@pytest.mark.parametrize("status", [404, 503])
def test_a_failure_is_tried_again_later_and_not_at_once(web: WebReceiver, status: int) -> None:
    web.answer = lambda call: Reply(status)
    result = transports.send(envelope(f"{HERE}:{web.port}/"))
    assert (result.outcome, len(web.calls)) == (Outcome.FAILED, 1)
    assert str(status) in result.text


def test_redirects_are_not_followed(web: WebReceiver) -> None:
    web.answer = lambda call: Reply(307, headers={"Location": f"{web.url}/inside"})
    assert transports.send(envelope(f"{HERE}:{web.port}/")).outcome == Outcome.FAILED
    assert [call.path for call in web.calls] == ["/"]


def test_an_address_that_apprise_does_not_know_is_refused(loopback: None) -> None:
    result = transports.send(envelope("nosuch://secret-token/"))
    assert (result.outcome, result.text) == (Outcome.REFUSED, "Apprise does not know such an address.")


def test_a_receiver_that_is_slow_is_given_up(web: WebReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apprise, "WHOLE", 0.01)  # less than the program takes to start
    result = transports.send(envelope(f"{HERE}:{web.port}/"))
    assert (result.outcome, result.text, result.away) == (Outcome.FAILED, "It did not answer in time.", True)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("syslog://", "this server itself"),
        ("DBus://", "this server itself"),
        ("msteams://a/b/c?template=/etc/passwd", "question mark"),
        ("nowhere", "begins with"),
        ("://x", "begins with"),
        ("", "required"),
    ],
)
def test_which_addresses_are_refused(loopback: None, url: str, said: str) -> None:
    wanted = Wanted(kind=Kind.APPRISE, name="Ops", values={"url": url})
    with pytest.raises(Invalid, match=said):
        targets.create(organization=make_organization(), wanted=wanted, actor=None)


def test_the_address_is_kept_encrypted(loopback: None) -> None:
    wanted = Wanted(kind=Kind.APPRISE, name="Ops", values={"url": "mmosts://chat.example/token123456"})
    target, _ = targets.create(organization=make_organization(), wanted=wanted, actor=None)
    assert target.configuration == {}
    assert "token" not in target.secrets
    assert secrets.read(target, T) == {"url": "mmosts://chat.example/token123456"}


def test_it_is_neither_offered_nor_used_where_the_site_may_not_call_inside(
    web: WebReceiver, settings: Settings
) -> None:
    assert Kind.APPRISE in transports.offered()
    settings.TARGETS_PRIVATE = []
    assert Kind.APPRISE not in transports.offered()
    assert transports.send(envelope(f"{HERE}:{web.port}/")).text == apprise.NOT_HERE
    assert web.calls == []
    wanted = Wanted(kind=Kind.APPRISE, name="Ops", values={"url": "ntfys://ntfy.example/ops"})
    with pytest.raises(Invalid, match="no such targets"):
        targets.create(organization=make_organization(), wanted=wanted, actor=None)


def test_it_is_not_offered_where_it_is_not_installed(loopback: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apprise, "find_spec", lambda name: None)
    assert Kind.APPRISE not in transports.offered()
