"""What a report writes, and what it leaves alone."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from devices import clock
from devices.connectivity import record_heartbeats, settle
from devices.models import ConnectivityRecord, Device, Heartbeat, StatusChange
from devices.operations.reports import apply_reports
from tests.devices.ingest.world import World, make_device, make_world

SECOND = timedelta(seconds=1)


@pytest.fixture
def world(db: None) -> World:
    return make_world()


@pytest.fixture
def at(db: None) -> datetime:
    return clock.now() + timedelta(minutes=1)  # after the devices were made


def tell(device: Device, at: datetime | None = None, **changes: Any) -> Device:
    assert apply_reports([(device.pk, changes)], at) == 1
    return Device.objects.get(pk=device.pk)


def test_named_fields_are_written_and_the_others_kept(world: World, at: datetime) -> None:
    first = {
        "os_version": "6.1",
        "supervisor_version": "17",
        "release": "1a",
        "target_release": "2b",
        "ip_addresses": ["192.0.2.7", 'odd "one", \\ {}'],
        "mac_addresses": ["00:00:5e:00:53:01"],
        "provisioning_state": "Näme ≠ ascii \U0001f680",
        "provisioning_progress": 0,
        "update_status": "downloading",
        "update_progress": 100,
    }
    device = tell(world.device, at, **first)
    assert {name: getattr(device, name) for name in first} == first
    device = tell(device, at, release="2b", update_progress=None, ip_addresses=[])
    changed = first | {"release": "2b", "update_progress": None, "ip_addresses": []}
    assert {name: getattr(device, name) for name in first} == changed


def test_a_report_is_contact_and_activates(world: World, at: datetime) -> None:
    device = make_device(world.fleet, "c", is_active=False, deactivated_at=at - SECOND)
    device = tell(device, at)
    assert (device.first_contact_at, device.last_contact_at) == (at, at)
    assert (device.is_active, device.activated_at, device.deactivated_at) == (True, at, None)
    later = at + SECOND
    device = tell(device, later)
    assert (device.first_contact_at, device.last_contact_at) == (at, later)
    assert device.activated_at == at
    device = tell(device, at)  # came late: nothing goes back
    assert device.last_contact_at == later


def test_no_time_given_is_the_database_s_clock(world: World) -> None:
    before = clock.now()
    contact = tell(world.device).last_contact_at
    assert contact is not None
    assert before <= contact <= clock.now()


def test_a_moment_of_the_clock_is_written_like_any_time(world: World) -> None:
    at = clock.now()
    assert apply_reports([(world.device.pk, {"update_progress": 3, "metrics": {"cpu_percent": 1}})], at) == 1
    world.device.refresh_from_db()
    assert (world.device.progress_changed_at, world.device.metrics_at) == (at, at)


def test_progress_changes_when_either_progress_really_does(world: World, at: datetime) -> None:
    steps: list[tuple[dict[str, Any], bool]] = [
        ({}, False),
        ({"os_version": "6"}, False),
        ({"update_progress": 0}, True),
        ({"update_progress": 0}, False),
        ({"update_progress": 0, "provisioning_progress": None}, False),
        ({"provisioning_progress": 0}, True),
        ({"update_progress": 1, "provisioning_progress": 0}, True),
        ({"update_progress": None}, True),
        ({"metrics": {"cpu_percent": 1}}, False),
    ]
    expected = None
    for n, (changes, moves) in enumerate(steps):
        now = at + n * SECOND
        expected = now if moves else expected
        assert tell(world.device, now, **changes).progress_changed_at == expected, changes
    assert tell(world.device, at, update_progress=7).progress_changed_at == expected


def test_metrics_are_merged_by_name(world: World, at: datetime) -> None:
    tell(world.device, at, metrics={"cpu_percent": 1.5, "memory_used": 2**40, "temperature": 40})
    later = at + timedelta(minutes=2)
    device = tell(world.device, later, metrics={"cpu_percent": 2, "temperature": None})
    assert device.metrics == {"cpu_percent": 2, "memory_used": 2**40}
    assert device.metrics_at == later


def test_what_no_sensor_can_mean_is_recorded_as_no_data(world: World, at: datetime) -> None:
    tell(world.device, at, metrics={"cpu_percent": 12, "temperature": 40, "undervolted": True})
    absurd = {"cpu_percent": 250, "temperature": 3.4e38, "storage_used": 2**62, "memory_used": 5}
    device = tell(world.device, at + timedelta(minutes=2), metrics=absurd, release="2")
    assert device.metrics == {"undervolted": True, "memory_used": 5}
    assert device.release == "2"


def test_metrics_alone_are_stored_once_a_minute(world: World, at: datetime) -> None:
    minute = timedelta(minutes=1)
    tell(world.device, at, metrics={"cpu_percent": 1}, release="1a")
    soon = at + minute - SECOND
    for changes in ({}, {"release": "1a"}):
        device = tell(world.device, soon, metrics={"cpu_percent": 2}, **changes)
        assert (device.metrics, device.metrics_at) == ({"cpu_percent": 1}, at)
        assert device.last_contact_at == soon
    device = tell(world.device, soon, metrics={"cpu_percent": 3}, release="2b")
    assert (device.metrics, device.metrics_at) == ({"cpu_percent": 3}, soon)
    device = tell(world.device, soon + minute, metrics={"cpu_percent": 4})
    assert (device.metrics, device.metrics_at) == ({"cpu_percent": 4}, soon + minute)


def test_one_device_twice_in_a_batch_ends_as_it_said_last(world: World, at: datetime) -> None:
    said = [
        {"release": "1a", "os_version": "6", "metrics": {"cpu_percent": 1, "temperature": 5}},
        {"release": "2b", "metrics": {"cpu_percent": 2}},
    ]
    assert apply_reports([(world.device.pk, changes) for changes in said], at) == 1
    device = Device.objects.get(pk=world.device.pk)
    assert (device.release, device.os_version) == ("2b", "6")
    assert device.metrics == {"cpu_percent": 2, "temperature": 5}


def test_any_number_of_devices_takes_the_same_queries(world: World, at: datetime) -> None:
    devices = [make_device(world.fleet, f"{n:032x}") for n in range(30)]
    counts = []
    for some in (devices[:1], devices):
        with CaptureQueriesContext(connection) as queries:
            assert apply_reports([(d.pk, {"release": d.uuid}) for d in some], at) == len(some)
        counts.append(len(queries))
    assert counts[0] == counts[1]
    assert {d.uuid: d.release for d in Device.objects.filter(pk__in=[d.pk for d in devices])} == {
        d.uuid: d.uuid for d in devices
    }


def test_what_is_gone_is_passed_over(world: World, at: datetime) -> None:
    assert apply_reports([], at) == 0
    assert apply_reports([(10**9, {"release": "1"}), (world.device.pk, {})], at) == 1


def test_the_status_follows_and_its_change_is_dated(world: World, at: datetime) -> None:
    record_heartbeats([world.device.pk], at)
    device = tell(world.device, at + SECOND, update_progress=5)
    assert (device.recorded_status, device.recorded_status_at) == ("updating", at + SECOND)
    change = StatusChange.objects.order_by("-id")[0]
    assert (change.device_id, change.after, change.at) == (device.pk, "updating", at + SECOND)
    assert change.reason == {"slug": "report"}


def test_deadlines_that_passed_are_recorded_first(world: World, at: datetime) -> None:
    """P is 300 s: late after 450 s, lost after 465 s; the report comes an hour later."""
    record_heartbeats([world.device.pk], at)
    device = tell(world.device, at + timedelta(hours=1), release="1")
    assert device.heartbeat_state == "lost"
    records = ConnectivityRecord.objects.filter(device=device).order_by("id")
    assert [(r.after, r.at - at) for r in records] == [
        ("recent", timedelta(0)),
        ("late", timedelta(seconds=450)),
        ("lost", timedelta(seconds=465)),
    ]
    assert device.recorded_status_at == at + timedelta(seconds=465)


def test_a_report_that_came_while_nothing_polled_counts_beside_a_poll_that_it_overtook(
    world: World, at: datetime
) -> None:
    record_heartbeats([world.device.pk], at - timedelta(days=1))
    settle(at)
    apply_reports([(world.device.pk, {"os_version": "1"})], at)
    assert Heartbeat.objects.get().recorded_contact_at == at - timedelta(days=1)  # read by nobody
    record_heartbeats([world.device.pk], at - timedelta(seconds=1))
    assert Heartbeat.objects.get().recorded_contact_at == at
