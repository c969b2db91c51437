"""Words of a rule's own: what the names in them mean, which are refused, and whose words a message has."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django import Settings

from devices import clock
from devices.alerts import own_words, rendering, rules, snapshot
from devices.alerts.refusals import Invalid
from devices.alerts.rule_values import usual
from devices.alerts.text import Text
from devices.models import AlertMessage, Condition, Severity
from tests.devices.alerts.sending import T, make_message, make_target
from tests.factories import make_device, make_fleet, make_organization
from tests.incidents import make_incident, make_rule, put_in

pytestmark = pytest.mark.django_db

EVERY = " | ".join(f"{{{name}}}" for name in own_words.NAMES)
OWN: dict[str, Any] = {
    "subject": "{count} of {of} {cause}",
    "text": "",
    "rule": "Sites",
    "cause": "devices at 203.0.113.7",
    "of": 40,
}


def rendered(kind: str = "first", own: dict[str, Any] | None = None, **more: Any) -> Text:
    return rendering.rendered(make_message(make_target(), kind=kind, own_words=OWN | (own or {}), **more))


def test_the_subject_says_what_befell_in_these_words() -> None:
    assert rendered().subject == "[critical] 38 of 40 devices at 203.0.113.7"
    over = rendered("resolved")
    assert over.subject == "Over after 26\u00a0min: 38 of 40 devices at 203.0.113.7"
    assert over.paragraphs[1] == "It began at 14:05:00 and was over at 14:31:00."


def test_what_each_name_means(settings: Settings) -> None:
    settings.SITE_ADDRESS = "https://lookout.example"
    forecast = {"more": 33, "status": "offline", "from": "2026-03-02T14:08:10Z", "to": "2026-03-02T14:24:56Z"}
    text = rendered(own={"text": EVERY}, forecast=forecast, runbook="https://wiki.example/")
    line, so_at = text.paragraphs
    assert so_at == "This was so at 14:05:00 UTC."
    number, of, cause, since, comes, url, summary, state, severity, rule, runbook = line.split(" | ")
    assert (number, of, cause, since) == ("38", "40", "devices at 203.0.113.7", "14:05:00 UTC")
    assert comes == "33 more will be Offline between 14:08:10 and 14:24:56 unless they report."
    assert url == text.url
    assert summary == "38 of 40 devices at 203.0.113.7 lost the VPN within 90 s"
    assert (state, severity, rule, runbook) == ("firing", "critical", "Sites", "https://wiki.example/")


def test_lines_are_paragraphs_and_the_devices_follow() -> None:
    text = rendered(own={"text": "Call {rule}.\n\nIt is {state}."}, kind="resolved")
    assert text.paragraphs == ["Call Sites.", "It is over.", "This was so at 14:05:00 UTC."]
    assert text.devices == ["pump-1: Offline since 14:02:11", "and 37 more"]


def test_what_a_name_stands_for_is_not_read_for_names() -> None:
    assert rendered(own={"subject": "{rule}", "rule": "{url}"}).subject == "[critical] {url}"


@pytest.mark.parametrize("words", ["{secret}", "{count.real}", "{count!r}", "{ count }", "{}", "{", "a } b"])
@pytest.mark.parametrize("field", ["subject", "text"])
def test_what_means_nothing_is_refused(field: str, words: str) -> None:
    wanted = usual("Sites", Condition.STATUS, Severity.WARNING, **{field: words})
    with pytest.raises(Invalid, match=r"means nothing here\. These names do: \{count\}, \{of\}, ") as refused:
        rules.create(organization=make_organization(), wanted=wanted, actor=None)
    assert refused.value.field == field


def test_a_message_has_the_words_of_its_worst_rule_that_has_some() -> None:
    fleet = make_fleet()
    organization = fleet.organization
    plain = make_rule(organization, "Plain")
    info = make_rule(organization, "Info", severity="info", subject="info")
    warning = make_rule(organization, "Warning", severity="warning", subject="{count} of {of} {cause}")
    incident = make_incident(organization, T)
    put_in(incident, [make_device(fleet, public_address="203.0.113.7") for _ in range(12)], plain)

    def subject(*of: Any) -> str:
        at = clock.moment(T)
        taken = snapshot.taken(incident, snapshot.read([incident], at)[incident.pk], at, reason="", rules=of)
        message = AlertMessage(incident=incident, kind="first", snapshot=taken, as_of=T)
        return rendering.rendered(message).subject

    assert subject(plain, info, warning) == "[critical] 12 of 12 devices at 203.0.113.7"
    assert subject(info, plain) == "[critical] info"
    assert "lost the VPN" in subject(plain)
