"""What targets are told of an incident: numbers, acknowledgements, steps, storms and what messages say."""

from __future__ import annotations

from datetime import timedelta

import pytest

from devices.alerts import acknowledging, rules, telling
from devices.alerts.rule_values import Step, usual
from devices.clock import listened
from devices.models import (
    AlertMessage,
    AlertTarget,
    Condition,
    Device,
    Held,
    Incident,
    Severity,
    Told,
)
from tests.devices.alerts.telling_site import MINUTE, Site, T, make_site

pytestmark = pytest.mark.django_db


@pytest.fixture
def site() -> Site:
    return make_site()


def test_numbers_count_each_target_from_one_without_a_gap(site: Site) -> None:
    incident = site.open(T)
    Incident.objects.filter(pk=incident.pk).update(now=20, at_most=20)
    site.tell(T + 5 * MINUTE)
    site.resolve(incident, T + 20 * MINUTE)
    numbers = AlertMessage.objects.order_by("pk").values_list("number", "kind")
    assert list(numbers) == [(1, "first"), (2, "update"), (3, "resolved")]


def test_an_acknowledgement_is_told_and_ends_when_the_incident_outgrows_it(site: Site) -> None:
    incident = site.open(T)
    acknowledging.acknowledge(incident=incident, actor=site.person, at=T + MINUTE)
    site.tell(T + MINUTE)
    Incident.objects.filter(pk=incident.pk).update(now=31, at_most=31)
    site.tell(T + 3 * MINUTE)
    assert [kind for kind, _ in site.messages] == ["first", "acknowledged", "update"]
    update = AlertMessage.objects.get(kind="update").snapshot
    assert update["reason"] == "outgrown"
    assert (update["acknowledged"]["members"], update["members"]["now"]) == (12, 31)
    incident.refresh_from_db()
    assert incident.acknowledged_at is None


def test_an_acknowledgement_that_expires_is_told(site: Site) -> None:
    incident = site.open(T)
    acknowledging.acknowledge(incident=incident, actor=site.person, until=T + 60 * MINUTE, at=T + MINUTE)
    site.tell(T + MINUTE)
    incident.refresh_from_db()
    assert incident.look_at == T + 60 * MINUTE
    site.tell(T + 60 * MINUTE)
    assert [kind for kind, _ in site.messages] == ["first", "acknowledged", "update"]


def test_a_later_step_is_skipped_once_somebody_took_it_on(site: Site) -> None:
    boss = AlertTarget.objects.create(organization=site.organization, kind="webhook", name="Boss")
    steps = [Step(timedelta(), [site.target]), Step(30 * MINUTE, [boss])]
    wanted = usual("Offline", Condition.STATUS, Severity.WARNING, steps=steps)
    seen = rules.version_of(site.rule)
    rules.change(rule=site.rule, wanted=wanted, seen=seen, actor=site.person, at=T)
    taken_on, nobodys = site.open(T), site.open(T, first=12)
    nobodys.refresh_from_db()
    assert nobodys.look_at == T + 30 * MINUTE
    acknowledging.acknowledge(incident=taken_on, actor=site.person, at=T + MINUTE)
    site.tell(T + 30 * MINUTE)
    told_boss = AlertMessage.objects.filter(target=boss).values_list("incident", flat=True)
    assert list(told_boss) == [nobodys.pk]


def test_of_a_storm_twenty_are_told_and_the_others_in_one_message(site: Site) -> None:
    for number in range(23):
        site.open(T + timedelta(seconds=number), number=1, first=number)
    kinds = [kind for kind, _ in site.messages]
    assert (kinds.count("first"), kinds.count("notice")) == (20, 1)
    assert set(Held.objects.values_list("reason", flat=True)) == {"storm"}
    site.tell(T + 6 * MINUTE)
    notices = AlertMessage.objects.filter(kind="notice").order_by("pk")
    assert [notice.snapshot["incidents"] for notice in notices] == [1, 3]
    site.tell(T + 10 * MINUTE + timedelta(seconds=30))  # the first ones are ten minutes ago
    assert [kind for kind, _ in site.messages].count("first") == 23
    assert not Held.objects.exists()


@pytest.mark.thorough
def test_a_storm_does_not_count_what_an_earlier_one_held(site: Site) -> None:
    for number in range(23):
        site.open(T + timedelta(seconds=number), number=1, first=number)
    for incident in site.incidents:
        site.resolve(incident, T + 2 * MINUTE)
    later = T + 60 * MINUTE
    for number in range(21):
        site.open(later + timedelta(seconds=number), number=1, first=number)
    newest = AlertMessage.objects.filter(kind="notice").order_by("-pk")[0]
    assert (newest.created_at > later, newest.snapshot["incidents"]) == (True, 1)


def test_what_goes_to_the_page_is_there_at_once(site: Site) -> None:
    AlertTarget.objects.update(kind="page")
    telling.tell([], listened(T))
    incident = site.open(T)
    message = AlertMessage.objects.get()
    assert (message.outcome, message.accepted_at) == ("accepted", T)
    assert Told.objects.get(incident=incident).members == 12


def test_a_message_says_what_is_so_and_nothing_of_notes(site: Site) -> None:
    Device.objects.update(notes="Key under the mat")
    site.open(T)
    said = AlertMessage.objects.get().snapshot
    assert said["summary"] == "12 devices lost the API heartbeat within 1\u00a0s and are Offline"
    assert said["members"] == {"now": 12, "at_most": 12, "ever": 12, "by_status": {"offline": 12}}
    assert [device["name"] for device in said["devices"]] == [device.name for device in site.devices[:12]]
    assert said["url"] == f"/incidents/{site.incidents[0].uuid}/"
    assert "mat" not in str(said)
