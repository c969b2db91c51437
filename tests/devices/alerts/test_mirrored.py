"""Rules about devices that only a source tells of: time in which it was not read makes nothing due."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from devices import connectivity
from devices.alerts import rule_values, rules
from devices.alerts.rounds import run_round
from devices.connectivity.mirrored import MirroredLinks, record_mirrored
from devices.models import Condition, Device, Incident, IncidentMember, Severity, Source
from devices.sources.silence import note_end
from fleets.models import Fleet
from tests.factories import T0, make_device, make_fleet, seconds
from tests.mirrors import mirror

pytestmark = pytest.mark.django_db


@pytest.fixture
def fleet() -> Fleet:
    return make_fleet(vpn_enabled=False)


def make_devices(fleet: Fleet, number: int = 1) -> list[Device]:
    """Devices with a recent heartbeat, read from a source at T0."""
    links: dict[str, Any] = {"heartbeat_state": "recent", "heartbeat_changed_at": T0 - seconds(9999)}
    dates = {"created_at": T0 - seconds(9999), "first_contact_at": T0 - seconds(9999)}
    devices = [
        make_device(fleet, vpn_enabled=False, public_address="203.0.113.7", **links, **dates)
        for _ in range(number)
    ]
    mirror(*devices)
    return devices


def make_rule(fleet: Fleet, condition: Condition = Condition.STATUS) -> None:
    wanted = rule_values.usual(str(condition), condition, Severity.WARNING)
    rules.create(organization=fleet.organization, wanted=wanted, actor=None, at=T0)


def sweep(devices: list[Device], at: float, state: str, since: float) -> None:
    """Read the source: all of these devices have this heartbeat since then. A round follows."""
    moment, dated = T0 + seconds(at), T0 + seconds(since)
    record_mirrored([MirroredLinks(one.pk, state, dated, False, None) for one in devices], moment, moment)
    note_end(Source.objects.get(), moment)
    Source.objects.update(swept_at=moment)
    run_round(moment)


def rounds(ats: Iterable[int]) -> None:
    for at in ats:
        run_round(T0 + seconds(at))


def states() -> list[str]:
    return list(IncidentMember.objects.order_by("pk").values_list("state", flat=True))


def test_a_device_is_due_once_a_sweep_says_that_it_is_still_so(fleet: Fleet) -> None:
    """Offline since 30 s, so due at 150 s: the sweep at 180 s tells that it still is."""
    devices = make_devices(fleet)
    make_rule(fleet)
    sweep(devices, 60, "lost", 30)
    rounds(range(70, 120, 10))
    sweep(devices, 120, "lost", 30)
    rounds(range(130, 180, 10))
    assert states() == ["pending"]
    sweep(devices, 180, "lost", 30)
    rounds(range(190, 240, 10))
    assert states() == ["firing"]
    assert IncidentMember.objects.get().due_at == T0 + seconds(150)
    assert Incident.objects.get().opened_at == T0 + seconds(150)


def test_what_a_later_sweep_dates_before_it_was_due_is_forgotten(fleet: Fleet) -> None:
    devices = make_devices(fleet)
    make_rule(fleet)
    sweep(devices, 60, "lost", 30)
    sweep(devices, 120, "lost", 30)
    rounds(range(130, 180, 10))
    sweep(devices, 180, "recent", 140)
    rounds(range(190, 400, 10))
    assert states() == []


def test_silence_of_its_source_makes_nothing_due(fleet: Fleet) -> None:
    """Of its 120 s, 30 were observed before ten minutes of silence; so it is due 90 s after these."""
    devices = make_devices(fleet)
    make_rule(fleet)
    sweep(devices, 60, "lost", 30)
    rounds(range(70, 660, 10))
    assert states() == ["pending"]
    sweep(devices, 660, "lost", 30)
    sweep(devices, 720, "lost", 30)
    rounds(range(730, 780, 10))
    assert states() == ["pending"]
    sweep(devices, 780, "lost", 30)
    rounds(range(790, 850, 10))
    assert states() == ["firing"]
    assert IncidentMember.objects.get().due_at == T0 + seconds(750)


def test_a_device_that_was_back_when_its_source_was_read_again_is_forgotten(fleet: Fleet) -> None:
    devices = make_devices(fleet)
    make_rule(fleet)
    sweep(devices, 60, "lost", 30)
    rounds(range(70, 660, 10))
    sweep(devices, 660, "recent", 300)
    rounds(range(670, 900, 10))
    assert states() == []
    assert not Incident.objects.exists()


def test_devices_that_were_lost_together_are_one_incident(fleet: Fleet) -> None:
    devices = make_devices(fleet, 6)
    make_rule(fleet, Condition.TOGETHER)
    for at in range(60, 400, 60):
        sweep(devices, at, "lost", 30)
        rounds(range(at + 10, at + 60, 10))
    incident = Incident.objects.get()
    assert (incident.state, incident.now, incident.key) == ("firing", 6, "203.0.113.7")


def test_it_is_over_only_once_its_source_was_read_for_the_whole_hold(fleet: Fleet) -> None:
    devices = make_devices(fleet)
    make_rule(fleet)
    for at in range(60, 361, 60):
        sweep(devices, at, "lost", 30)
    sweep(devices, 420, "recent", 400)
    rounds(range(430, 1000, 10))  # the source is silent
    assert states() == ["recovering"]
    sweep(devices, 1000, "recent", 400)
    sweep(devices, 1060, "recent", 400)
    sweep(devices, 1120, "recent", 400)
    rounds(range(1130, 1160, 10))
    assert states() == ["gone"]
    assert Incident.objects.get().resolved_at == T0 + seconds(400)


def test_a_relayed_device_is_observed_whether_its_source_is_read_or_not(fleet: Fleet) -> None:
    (device,) = make_devices(fleet)
    make_rule(fleet)
    connectivity.record_heartbeats([device.pk], T0)
    lost_at = Device.objects.get(pk=device.pk).poll.lost_at
    lost = int((lost_at - T0).total_seconds())
    rounds(range(lost + 1, lost + 130, 10))
    assert states() == ["firing"]
    assert IncidentMember.objects.get().due_at == lost_at + seconds(120)


@pytest.mark.parametrize(("state", "held"), [("recent", []), ("lost", ["firing"])])
def test_a_device_whose_link_is_up_there_is_in_contact(fleet: Fleet, state: str, held: list[str]) -> None:
    """A source tells no contact but the last change of a link, which was days ago here."""
    devices = make_devices(fleet)
    long_ago = T0 - seconds(9 * 86400)
    Device.objects.update(last_contact_at=long_ago, created_at=long_ago, heartbeat_state=state)
    make_rule(fleet, Condition.SILENT)
    Source.objects.update(swept_at=T0 + seconds(60))
    rounds([30, 61, 92])
    assert states() == held
    assert devices
