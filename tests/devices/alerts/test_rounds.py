"""Rounds over real devices: what is signalled becomes members and incidents."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from devices import connectivity
from devices.alerts import rounds, rule_values, rules
from devices.alerts.rounds import run_round
from devices.models import AlertRule, Condition, Device, Incident, IncidentMember, Severity, Signal
from fleets.models import Fleet
from tests.at_once import at_once
from tests.factories import T0, make_device, make_fleet, seconds

pytestmark = pytest.mark.django_db


def make_rule(fleet: Fleet, condition: Condition = Condition.STATUS, **values: Any) -> AlertRule:
    wanted = rule_values.usual(str(condition), condition, Severity.WARNING, **values)
    return rules.create(organization=fleet.organization, wanted=wanted, actor=None, at=T0)


def poll(devices: list[Device], at: float) -> None:
    connectivity.record_heartbeats([device.pk for device in devices], T0 + seconds(at))


def keep_polling(devices: list[Device], start: int, end: int) -> None:
    for at in range(start, end, 50):
        poll(devices, at)


@pytest.fixture
def fleet() -> Fleet:
    return make_fleet(vpn_enabled=False, poll_interval=60)


def make_devices(fleet: Fleet, number: int, **fields: Any) -> list[Device]:
    return [make_device(fleet, vpn_enabled=False, **fields) for _ in range(number)]


def test_a_site_without_rules_writes_no_signal(fleet: Fleet) -> None:
    poll(make_devices(fleet, 3), 0)
    connectivity.settle(T0 + seconds(3600))
    assert not Signal.objects.exists()


def test_a_device_alone(fleet: Fleet) -> None:
    """Offline at 105 s; due 2 min later; alone after a minute more."""
    make_rule(fleet)
    (device,) = make_devices(fleet, 1)
    poll([device], 0)
    run_round(T0 + seconds(1))
    run_round(T0 + seconds(106))
    member = IncidentMember.objects.get()
    assert (member.state, member.since) == ("pending", T0 + seconds(105))
    assert member.next_at == T0 + seconds(105 + 120)
    run_round(T0 + seconds(226))
    assert not Incident.objects.exists()
    run_round(T0 + seconds(286))
    incident = Incident.objects.get()
    assert (incident.state, incident.opened_at, incident.now) == ("firing", T0 + seconds(225), 1)
    assert not Signal.objects.exists()
    poll([device], 400)
    run_round(T0 + seconds(401))
    keep_polling([device], 450, 550)
    run_round(T0 + seconds(521))
    incident.refresh_from_db()
    member.refresh_from_db()
    assert (incident.state, incident.resolved_at, incident.now) == ("resolved", T0 + seconds(400), 0)
    assert (member.state, member.gone_at, member.reason) == ("gone", T0 + seconds(400), "recovered")


def test_a_device_that_comes_back_in_time_is_forgotten(fleet: Fleet) -> None:
    rule = make_rule(fleet)
    (device,) = make_devices(fleet, 1)
    poll([device], 0)
    run_round(T0 + seconds(106))
    poll([device], 200)
    run_round(T0 + seconds(230))
    assert not IncidentMember.objects.exists()
    rule.refresh_from_db()
    assert rule.came_back == 1


def test_one_round_or_many(fleet: Fleet) -> None:
    """What came and went between two rounds is an incident with its true times."""
    make_rule(fleet, delay=timedelta(seconds=10))
    (device,) = make_devices(fleet, 1)
    poll([device], 0)
    run_round(T0 + seconds(1))
    connectivity.settle(T0 + seconds(300))
    keep_polling([device], 300, 1000)
    run_round(T0 + seconds(1000))
    incident = Incident.objects.get()
    assert (incident.state, incident.opened_at) == ("resolved", T0 + seconds(115))
    assert (incident.resolved_at, incident.missed) == (T0 + seconds(300), True)


def test_a_round_that_cannot_look_at_all_signals_looks_at_those_of_whole_instants(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_rule(fleet)
    devices = make_devices(fleet, 10)
    poll(devices[:5], 0)
    poll(devices[5:], 1)
    for at in (1, 60, 100):
        run_round(T0 + seconds(at))
    connectivity.settle(T0 + seconds(110))
    monkeypatch.setattr(rounds, "MOST", 3)
    monkeypatch.setattr(rounds, "PARTS", 1)
    for members, left in ((5, 10), (10, 0)):
        run_round(T0 + seconds(110))
        assert (IncidentMember.objects.count(), Signal.objects.count()) == (members, left)


@pytest.mark.thorough
@pytest.mark.parametrize("most", [2, 1000])
@pytest.mark.parametrize("condition", [Condition.STATUS, Condition.TOGETHER])
def test_a_site_is_one_incident(
    fleet: Fleet, condition: Condition, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many signals and members a round looks at."""
    monkeypatch.setattr(rounds, "MOST", most)
    make_rule(fleet, condition)
    devices = make_devices(fleet, 40, public_address="203.0.113.7")
    for number, device in enumerate(devices):
        poll([device], number)
    for at in range(0, 400, 7):
        run_round(T0 + seconds(at))
    incident = Incident.objects.get()
    assert (incident.kind, incident.key, incident.what) == (2, "203.0.113.7", "heartbeat")
    assert (incident.now, incident.at_most, incident.ever, incident.rank) == (40, 40, 40, 0)
    first = {Condition.STATUS: 105, Condition.TOGETHER: 90}  # Offline; the heartbeat is late
    assert incident.opened_at == T0 + seconds(120 + first[condition])
    assert (incident.first, incident.last) == (T0 + seconds(105), T0 + seconds(144))
    poll(devices, 500)
    run_round(T0 + seconds(501))
    keep_polling(devices, 550, 650)
    run_round(T0 + seconds(621))
    incident.refresh_from_db()
    assert (incident.state, incident.now, incident.resolved_at) == ("resolved", 0, T0 + seconds(500))


def test_two_rules_hold_devices_in_one_incident(fleet: Fleet) -> None:
    make_rule(fleet)
    make_rule(fleet, Condition.TOGETHER)
    devices = make_devices(fleet, 6)
    poll(devices, 0)
    for at in range(0, 400, 7):
        run_round(T0 + seconds(at))
    incident = Incident.objects.get()
    assert (incident.now, IncidentMember.objects.filter(incident=incident).count()) == (6, 12)
    keep_polling(devices[:1], 500, 700)
    run_round(T0 + seconds(700))
    incident.refresh_from_db()
    assert (incident.now, incident.at_most) == (5, 6)


def test_two_rules_hold_a_device_alone_in_one_incident(fleet: Fleet) -> None:
    """Both are due at the same instant; it has the higher severity of the two."""
    make_rule(fleet)
    critical = rule_values.usual("critical", Condition.STATUS, Severity.CRITICAL)
    rules.create(organization=fleet.organization, wanted=critical, actor=None, at=T0)
    devices = make_devices(fleet, 1)
    poll(devices, 0)
    for at in (1, 106, 226, 286):
        run_round(T0 + seconds(at))
    incident = Incident.objects.get()
    assert (incident.now, incident.ever, incident.severity) == (1, 1, "critical")
    assert IncidentMember.objects.filter(incident=incident).count() == 2


@pytest.mark.django_db(transaction=True)
def test_two_tellers_write_once(fleet: Fleet) -> None:
    """Whoever believes to lead waits for the round that goes on, and finds nothing left to do."""
    make_rule(fleet, delay=timedelta(seconds=10))
    poll(make_devices(fleet, 6), 0)
    run_round(T0 + seconds(1))
    connectivity.settle(T0 + seconds(300))
    results = at_once(*[lambda: run_round(T0 + seconds(300))] * 3)
    assert not [result for result in results if isinstance(result, Exception)]
    assert (Incident.objects.count(), IncidentMember.objects.count()) == (1, 6)
