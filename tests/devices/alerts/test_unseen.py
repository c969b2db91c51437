"""Devices that were lost while Lookout was away: they count from its beginning, whenever that was found."""

from __future__ import annotations

import pytest

from devices import clock, connectivity
from devices.alerts import snapshot
from devices.alerts.cause import Cause
from devices.alerts.parameters import OfStatus
from devices.alerts.rehearsal import rehearse
from devices.alerts.rounds import run_round
from devices.alerts.unseen import lost_between
from devices.connectivity.outages import record_liveness
from devices.models import AlertRule, Device, Incident, IncidentMember
from devices.rules.vocabulary import Status
from tests.devices.alerts.test_rehearsal import told
from tests.devices.alerts.test_rounds import make_rule, poll
from tests.factories import T0, make_device, make_fleet, seconds

pytestmark = pytest.mark.django_db

BEGAN, ENDED = 600, 4200  # of our absence, in seconds
PLACE = "203.0.113.7"
Life = tuple[AlertRule, list[Device]]


@pytest.fixture
def life() -> Life:
    """Six devices of one place poll and have the VPN until we are away; then they poll on."""
    fleet = make_fleet(poll_interval=60)
    rule = make_rule(fleet, parameters=OfStatus((Status.HEARTBEAT_ONLY,)))
    devices = [make_device(fleet, public_address=PLACE) for _ in range(6)]
    run_round(T0 - seconds(1))
    connectivity.vpn_connected("vpn-1", [device.uuid for device in devices], T0)
    listen(devices, 0, BEGAN)
    return rule, devices


def listen(devices: list[Device], start: int, end: int) -> None:
    """Signs of the ingest, of the VPN server and polls, from `start` to `end`."""
    for at in range(start, end + 1, 10):
        record_liveness(T0 + seconds(at))
        connectivity.vpn_alive("vpn-1", at=T0 + seconds(at))
        if at % 50 == 0:
            poll(devices, at)


def lose(devices: list[Device], at: int) -> None:
    connectivity.vpn_disconnected("vpn-1", [device.uuid for device in devices], T0 + seconds(at))


def live(devices: list[Device], *, found: dict[int, list[Device]], until: int, every: int) -> None:
    """From our return on, with what the VPN server tells, and a round each so many seconds."""
    for at in range(ENDED, until + 1, 10):
        listen(devices, at, at)
        lose(found.get(at, []), at)
        if at % every == 0:
            run_round(T0 + seconds(at))
    run_round(T0 + seconds(until))


@pytest.mark.parametrize("every", [10, 150, 1000])
def test_its_moment_is_the_beginning_of_our_absence(life: Life, every: int) -> None:
    """However late a round is. Five are found lost within a minute of our return; one is lost after that."""
    _, devices = life
    live(devices, found={4210: devices[:4], 4250: devices[4:5], 4290: devices[5:]}, until=4700, every=every)
    moments = IncidentMember.objects.order_by("device_id").values_list("moment", flat=True)
    assert list(moments) == [T0 + seconds(BEGAN)] * 5 + [T0 + seconds(4290)]
    together = Incident.objects.get(at_most=5)
    assert (together.first, together.last) == (T0 + seconds(BEGAN), T0 + seconds(BEGAN))
    assert lost_between([together])[together.pk] == (T0 + seconds(BEGAN), T0 + seconds(ENDED))
    assert {device.pk for device in Cause(together).lost} == {device.pk for device in devices[:5]}


def test_what_was_lost_just_before_is_the_same_incident(life: Life) -> None:
    _, devices = life
    lose(devices[:1], BEGAN - 120)
    live(devices, found={4210: devices[1:]}, until=4700, every=10)
    incident = Incident.objects.get(merged_into=None)
    assert (incident.first, incident.last) == (T0 + seconds(BEGAN - 120), T0 + seconds(BEGAN))
    assert (incident.at_most, lost_between([incident])) == (6, {})
    at = clock.moment(T0 + seconds(4700))
    said = snapshot.read([incident], at)[incident.pk].said.sentence
    words = f"6 of 6 devices at {PLACE} lost the VPN within 62 min and kept the heartbeat"
    assert said.replace("\u00a0", " ") == words


def test_a_rehearsal_says_the_same(life: Life) -> None:
    rule, devices = life
    live(devices, found={4210: devices[:5], 4290: devices[5:]}, until=4700, every=30)
    found = rehearse(rule, T0 - seconds(1), T0 + seconds(4700))
    assert found is not None
    assert told(list(found.incidents)) == told(list(Incident.objects.filter(merged_into=None)))
