"""What relayed calls proved, in the database: by the rules that the site's own calls follow."""

from __future__ import annotations

from datetime import timedelta

import pytest

from devices import clock, connectivity
from devices.ingest import contacts
from devices.ingest.http import NoDatabase, Refused
from devices.ingest.relay import writing
from devices.ingest.relay.backlog import Seen
from devices.ingest.relay.observations import (
    Away,
    Links,
    Observation,
    Poll,
    Refusal,
    Registration,
    Report,
    ServerSign,
    ServerStart,
)
from devices.ingest.relay.writing import Writer
from devices.models import ConnectivityRecord, Device, Heartbeat, MirroredDevice, Source, VpnServer
from devices.sources.vpn_servers import server_name
from tests.devices.ingest.relay.mirrored import APPLICATION, Mirrored, make_source
from tests.factories import make_device, make_uuid

PUMP = "a0000000000000000000000000000002"


@pytest.fixture
def mirrored(transactional_db: None) -> Mirrored:
    return make_source()


def write(mirrored: Mirrored, *observations: Observation, lost: int = 0) -> dict[int, int]:
    seen = [Seen(mirrored.source.pk, observation) for observation in observations]
    return Writer().write(seen, {mirrored.source.pk: lost} if lost else {})


def test_a_poll_is_a_heartbeat_with_the_interval_that_the_api_told(mirrored: Mirrored) -> None:
    device = mirrored.device(PUMP, 3, poll_interval=600)
    write(mirrored, Poll(PUMP, 3600, "192.0.2.9"))
    device.refresh_from_db()
    assert (device.heartbeat_state, device.public_address) == ("recent", "192.0.2.9")
    heartbeat = Heartbeat.objects.get()
    assert heartbeat.poll_interval == 3600
    assert (heartbeat.late_at - heartbeat.last_poll_at).total_seconds() == 5400
    write(mirrored, Poll(PUMP, None, ""))
    assert Heartbeat.objects.get().poll_interval == 3600


def test_a_window_is_that_of_the_api_however_short(mirrored: Mirrored) -> None:
    """A supervisor of the site itself has 3 min at least; here the API counts."""
    mirrored.device(PUMP, 3, poll_interval=600)
    write(mirrored, Poll(PUMP, 20, ""))
    heartbeat = Heartbeat.objects.get()
    assert (heartbeat.late_at - heartbeat.last_poll_at).total_seconds() == 30


def test_polls_and_reports_of_a_batch_are_written_together(mirrored: Mirrored) -> None:
    pump, sign = mirrored.device(PUMP, 3), mirrored.device(make_uuid(), 4)
    report = Report(sign.uuid, {"os_version": "balenaOS 6.5.24"})
    write(mirrored, Poll(PUMP, None, ""), report, Poll(sign.uuid, 600, ""))
    assert {device.heartbeat_state for device in Device.objects.all()} == {"recent"}
    assert Device.objects.get(pk=sign.pk).os_version == "balenaOS 6.5.24"
    assert Device.objects.get(pk=pump.pk).os_version == ""


def test_a_report_that_names_another_id_is_not_the_device_s_own(mirrored: Mirrored) -> None:
    device = mirrored.device(PUMP, 3)
    write(mirrored, Report(PUMP, {"provisioning_progress": 40}, number=4))
    assert Device.objects.get(pk=device.pk).provisioning_progress is None
    write(mirrored, Report(PUMP, {"provisioning_progress": 40}, number=3))
    assert Device.objects.get(pk=device.pk).provisioning_progress == 40


def test_what_is_not_of_this_source_is_left_alone(mirrored: Mirrored) -> None:
    own = make_device(mirrored.fleet, uuid=PUMP)  # of the site, with the same UUID
    write(mirrored, Poll(PUMP, 3600, ""), Poll(make_uuid(), 3600, ""))
    write(mirrored, ServerStart(1, ""))
    write(mirrored, Links(1, (PUMP,), connected=True))
    own.refresh_from_db()
    assert (own.heartbeat_state, own.vpn_connected, own.first_contact_at) == ("unknown", False, None)


def test_a_registration_brings_the_device_into_its_fleet(mirrored: Mirrored) -> None:
    write(mirrored, Registration(PUMP, 3, APPLICATION, "raspberrypi4-64", {"os_version": "balenaOS 6.5.24"}))
    device = Device.objects.get(uuid=PUMP)
    assert (device.fleet, device.device_type) == (mirrored.fleet, "raspberrypi4-64")
    assert device.recorded_status == "post-provisioning"
    assert MirroredDevice.objects.get(device=device).remote_id == 3
    assert write(mirrored, Registration(PUMP, 3, APPLICATION, "", {})) == {}  # once more, as after a kill


def test_a_registration_in_an_application_that_is_not_mirrored_brings_nothing(mirrored: Mirrored) -> None:
    write(mirrored, Registration(PUMP, 3, APPLICATION + 1, "raspberrypi4-64", {}))
    assert not Device.objects.exists()


def test_a_vpn_server_connects_and_disconnects_the_devices_it_holds(mirrored: Mirrored) -> None:
    device = mirrored.device(PUMP, 3)
    write(mirrored, ServerStart(1, "192.0.2.1"))
    write(mirrored, ServerStart(2, "192.0.2.1"))
    for observation, connected in (
        (Links(1, (PUMP, make_uuid()), connected=True), True),
        (Links(2, (PUMP,), connected=False), True),  # it does not hold the device
        (Links(99, (PUMP,), connected=False), True),
        (Links(1, (PUMP,), connected=False), False),
        (Links(1, (make_uuid(),), connected=True), False),
    ):
        write(mirrored, observation)
        assert Device.objects.get(pk=device.pk).vpn_connected is connected
    assert VpnServer.objects.count() == 2


def test_a_server_that_started_before_the_relay_is_known_by_its_first_link(mirrored: Mirrored) -> None:
    mirrored.device(PUMP, 3)
    write(mirrored, Links(5, (PUMP,), connected=True))
    assert VpnServer.objects.get().lease_until is None
    write(mirrored, ServerSign(5))
    assert VpnServer.objects.get().lease_until is not None


def test_a_sign_counts_for_a_server_that_is_known(mirrored: Mirrored) -> None:
    write(mirrored, ServerSign(1))
    assert not VpnServer.objects.exists()
    VpnServer.objects.create(
        name=server_name(mirrored.source.pk, 1), organization=mirrored.fleet.organization
    )
    write(mirrored, ServerSign(1))
    assert VpnServer.objects.get().lease_until is not None


def test_while_the_api_is_away_no_deadline_of_its_devices_and_servers_comes(mirrored: Mirrored) -> None:
    """What is due within 30 s is put off by a whole window, and a lease by a whole one."""
    device, elsewhere = mirrored.device(PUMP, 3), make_device()
    write(mirrored, Poll(PUMP, 10, ""), ServerSign(7))
    write(mirrored, ServerStart(7, ""), Links(7, (PUMP,), connected=True))
    connectivity.record_heartbeats([elsewhere.pk])
    soon = clock.now() + timedelta(seconds=2)
    Heartbeat.objects.update(late_at=soon, due_at=soon, lost_at=soon + timedelta(seconds=15))
    VpnServer.objects.update(due_at=soon, lease_until=soon)
    write(mirrored, Away())
    mine, other = Heartbeat.objects.get(device=device), Heartbeat.objects.get(device=elsewhere)
    server = VpnServer.objects.get()
    assert mine.due_at == mine.late_at == mine.lost_at - timedelta(seconds=15)
    assert mine.late_at - soon > timedelta(seconds=10)
    assert server.due_at == server.lease_until
    assert server.due_at
    assert server.due_at - soon > timedelta(seconds=50)
    assert other.due_at == soon


def test_a_refused_key_is_a_line_until_it_is_accepted(mirrored: Mirrored) -> None:
    mirrored.device(PUMP, 3)
    write(mirrored, Refusal(PUMP))
    assert MirroredDevice.objects.get().refused_at is not None
    assert not ConnectivityRecord.objects.exists()
    write(mirrored, Poll(PUMP, None, ""))
    assert MirroredDevice.objects.get().refused_at is None


def test_what_cannot_be_written_alone_is_lost(
    mirrored: Mirrored, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    devices = [mirrored.device(make_uuid(), number) for number in range(5)]
    real = contacts.record

    def fails_for_the_third(polls: dict[int, str], *others: object, **more: object) -> None:
        if devices[2].pk in polls:
            raise ValueError("no such luck")
        real(polls, *others, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(writing, "record", fails_for_the_third)
    failed = write(mirrored, *(Poll(device.uuid, None, "") for device in devices))
    assert failed == {mirrored.source.pk: 1}
    recent = Device.objects.filter(heartbeat_state="recent").order_by("pk")
    assert list(recent) == [*devices[:2], *devices[3:]]
    assert "no such luck" in caplog.text


def test_losses_are_counted_at_the_source(mirrored: Mirrored) -> None:
    mirrored.device(PUMP, 3)
    for _ in range(2):
        write(mirrored, Poll(PUMP, None, ""), lost=7)
    source = Source.objects.get()
    assert (source.relay_lost, source.relay_lost_at is not None) == (14, True)
    assert source.relay_seen_at is not None


def test_without_the_database_nothing_is_lost(mirrored: Mirrored, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(work: object) -> None:
        raise NoDatabase

    monkeypatch.setattr(writing, "in_database", away)
    with pytest.raises(Refused):
        write(mirrored, Poll(PUMP, None, ""))
