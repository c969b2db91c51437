"""What comes and goes all the time is told once: devices with an unstable link stay in their incident."""

from __future__ import annotations

from datetime import timedelta

import pytest

from devices import connectivity
from devices.alerts.rounds import run_round
from devices.models import Condition, Device, Incident, IncidentMember
from fleets.models import Fleet
from tests.devices.alerts.test_rounds import keep_polling, make_devices, make_rule, poll
from tests.factories import T0, make_device, make_fleet, seconds

pytestmark = pytest.mark.django_db

CYCLE = 300  # seconds from one poll to the next; Offline 105 s after each


@pytest.fixture
def fleet() -> Fleet:
    return make_fleet(vpn_enabled=False, poll_interval=60)


def flap(device: Device, cycles: int, every: int | None = None) -> None:
    """It polls once in each cycle, and steadily from the last one on; `every`: seconds between rounds."""
    for cycle in range(cycles):
        poll([device], cycle * CYCLE)
        for at in range(cycle * CYCLE + 1, (cycle + 1) * CYCLE, every or CYCLE):
            run_round(T0 + seconds(at))
    keep_polling([device], cycles * CYCLE, cycles * CYCLE + 4000)


def states() -> list[tuple[str, float | None]]:
    found = Incident.objects.order_by("opened_at").values_list("state", "resolved_at")
    return [(state, (at - T0).total_seconds() if at else None) for state, at in found]


@pytest.mark.parametrize("every", [pytest.param(20, marks=pytest.mark.thorough), 150])
def test_an_unstable_link_is_told_once_until_it_is_calm(fleet: Fleet, every: int) -> None:
    """Its seventh change within an hour, at 600 s, marks it; fewer than three were in the hour by 5,790 s."""
    make_rule(fleet, delay=timedelta(seconds=10), hold=timedelta(seconds=60))
    (device,) = make_devices(fleet, 1)
    flap(device, 8, every)
    run_round(T0 + seconds(2600))
    member = IncidentMember.objects.exclude(state="gone").get()
    assert (member.state, member.unstable, member.flaps) == ("recovering", True, 6)
    assert [state for state, _ in states()] == ["resolved", "firing"]
    run_round(T0 + seconds(5780))
    assert [state for state, _ in states()] == ["resolved", "firing"]
    run_round(T0 + seconds(5830))
    assert states() == [("resolved", 300), ("resolved", 2400)]  # dated when it last came back
    member.refresh_from_db()
    assert (member.state, member.unstable, member.reason) == ("gone", False, "recovered")


@pytest.mark.thorough
@pytest.mark.parametrize("condition", [Condition.STATUS, Condition.FLAPPING])
def test_a_round_that_finds_nothing_to_do_may_pass_the_end(fleet: Fleet, condition: Condition) -> None:
    """It is calm from 5,790 s on: after the look of 5,780 s, before that of 5,810 s."""
    make_rule(fleet, condition, delay=timedelta(seconds=10), hold=timedelta(seconds=60))
    (device,) = make_devices(fleet, 1)
    flap(device, 8, 20)
    for at in (2600, 5780, 5797, 5815, 5900):
        run_round(T0 + seconds(at))
    assert {state for state, _ in states()} == {"resolved"}
    assert not IncidentMember.objects.filter(unstable=True).exists()


@pytest.mark.thorough
@pytest.mark.parametrize("condition", [Condition.STATUS, Condition.FLAPPING])
def test_it_ends_also_where_the_teller_was_away_for_a_day(fleet: Fleet, condition: Condition) -> None:
    """By then no change that is looked at says that the link was ever marked."""
    make_rule(fleet, condition, delay=timedelta(seconds=10), hold=timedelta(seconds=60))
    (device,) = make_devices(fleet, 1)
    flap(device, 8, 20)
    run_round(T0 + seconds(2600))
    assert IncidentMember.objects.filter(unstable=True).exists()
    keep_polling([device], 100_000, 100_200)
    for at in (100_100, 100_140, 100_200):
        run_round(T0 + seconds(at))
    assert {state for state, _ in states()} == {"resolved"}
    assert not IncidentMember.objects.filter(unstable=True).exists()
    assert set(IncidentMember.objects.values_list("state", "reason")) == {("gone", "recovered")}


@pytest.mark.thorough
def test_a_device_is_unstable_while_any_of_its_links_is(fleet: Fleet) -> None:
    """Its VPN is marked from 420 s to 3,900 s, its heartbeat from 600 s to 5,790 s."""
    make_rule(fleet, Condition.FLAPPING)
    device = make_device(fleet, vpn_enabled=True)
    for at in range(0, 480, 60):
        connect = connectivity.vpn_connected if at % 120 else connectivity.vpn_disconnected
        connect("vpn-1", [device.uuid], T0 + seconds(at))
    flap(device, 8, 20)
    member = IncidentMember.objects.get()
    assert (member.state, member.since) == ("firing", T0 + seconds(420))
    for at in range(2400, 5840, 40):
        run_round(T0 + seconds(at))
    member.refresh_from_db()
    assert (member.state, member.gone_at) == ("gone", T0 + seconds(5790))


def test_a_rule_finds_what_already_changes_often(fleet: Fleet) -> None:
    (device,) = make_devices(fleet, 1)
    run_round(T0)
    flap(device, 4)
    make_rule(fleet, Condition.FLAPPING)
    run_round(T0 + seconds(1300))
    member = IncidentMember.objects.get()
    assert (member.state, member.since) == ("firing", T0 + seconds(600))
