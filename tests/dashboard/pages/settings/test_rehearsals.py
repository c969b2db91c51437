"""What an alert rule would have told, on its page: at once, or by a job where that takes long."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client

from devices import clock, connectivity
from devices.alerts import rehearsal, rules
from devices.alerts.parameters import LongerThan
from devices.alerts.rule_values import usual
from devices.background import rule_rehearsal
from devices.jobs import runner
from devices.models import AlertRule, Condition, Heartbeat, Job, Severity
from devices.worker.registry import KINDS
from fleets.models import Organization, Role
from tests.dashboard.pages.settings.alert_rule_form import shipped
from tests.factories import make_device, make_fleet, make_member, make_organization
from tests.pages import text_of

pytestmark = pytest.mark.django_db
TOLD = "The rule would have told 1 incident, of 5 devices at most."


@pytest.fixture
def organization() -> Organization:
    """Five of its devices polled for the last time an hour ago."""
    organization = make_organization()
    rules.ship(organization)
    fleet = make_fleet(organization, vpn_enabled=False, poll_interval=60)
    devices = [make_device(fleet, vpn_enabled=False) for _ in range(5)]
    began = clock.now() - timedelta(hours=1)
    connectivity.record_heartbeats([device.pk for device in devices], began)
    connectivity.settle(began + timedelta(minutes=10))
    return organization


@pytest.fixture
def operator(client: Client, organization: Organization) -> Client:
    client.force_login(make_member(organization, Role.OPERATOR))
    return client


def address_of(rule: AlertRule) -> str:
    return f"/settings/{rule.organization.slug}/alert-rules/{rule.uuid}/"


def test_a_rule_is_rehearsed_only_when_one_asks(operator: Client, organization: Organization) -> None:
    address = address_of(shipped(organization, "offline"))
    assert "would have told" not in text_of(operator.get(address)).replace("What it would have told", "")
    assert TOLD in text_of(operator.get(f"{address}?over=7"))
    assert "The longest lasted 5" in text_of(operator.get(f"{address}?over=30"))
    assert "Over the last" not in text_of(operator.get(f"{address}?over=8"))
    assert not Job.objects.exists()


def test_a_condition_without_history_is_said_to_have_none(
    operator: Client, organization: Organization
) -> None:
    text = text_of(operator.get(address_of(shipped(organization, "stalled")) + "?over=7"))
    assert "history does not keep when an update or a configuration made progress" in text
    assert "Rehearse the last 7 days" not in text


@pytest.mark.parametrize("name", ["flapping", "share"])
def test_other_conditions_are_rehearsed_too(operator: Client, organization: Organization, name: str) -> None:
    text = text_of(operator.get(address_of(shipped(organization, name)) + "?over=7"))
    assert "The rule would have told nothing." in text


def test_what_history_does_not_keep_of_silence_is_said(operator: Client, organization: Organization) -> None:
    wanted = usual("Silent", Condition.SILENT, Severity.INFO, parameters=LongerThan(1800))
    rule = rules.create(organization=organization, wanted=wanted, actor=None)
    text = text_of(operator.get(address_of(rule) + "?over=7"))
    assert "History does not keep reports, so a device counts as silent from its last poll" in text
    assert "The rule would have told 1 incident, of 5 devices at most." in text
    Heartbeat.objects.update(poll_interval=1201)
    text = text_of(operator.get(address_of(rule) + "?over=7"))
    assert "Some of its devices poll so seldom" in text


@pytest.mark.django_db(transaction=True)
def test_what_takes_long_is_done_by_a_job(
    operator: Client, organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rehearsal, "SHORT", 4)
    rule = shipped(organization, "offline")
    address = address_of(rule)
    assert "A job does it" in text_of(operator.get(f"{address}?over=30"))
    started = operator.post(f"{address}rehearse/", {"days": "30"})
    job = Job.objects.get()
    assert started["Location"] == f"/jobs/{job.uuid}/"
    operator.post(f"{address}rehearse/", {"days": "30"})
    assert Job.objects.count() == 1  # the one that is under way
    assert "A rehearsal over 30 days is under way." in text_of(operator.get(f"{address}?over=30"))
    runner.run(job.uuid, kinds=KINDS)
    job.refresh_from_db()
    assert (job.state, job.done) == ("done", job.total)
    assert TOLD in job.words
    assert TOLD in text_of(operator.get(f"{address}?over=30"))
    assert TOLD not in text_of(operator.get(f"{address}?over=7"))


@pytest.mark.django_db(transaction=True)
def test_a_job_of_a_rule_that_was_deleted_says_so(organization: Organization) -> None:
    rule, owner = shipped(organization, "offline"), make_member(organization, Role.OWNER)
    job = rule_rehearsal.start(rule=rule, days=7, actor=owner)
    rules.delete(rule=rule, actor=owner)
    runner.run(job.uuid, kinds=KINDS)
    job.refresh_from_db()
    assert (job.state, job.words) == ("failed", "The rule was deleted meanwhile.")
