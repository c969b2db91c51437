"""State polls: what a batch of them writes."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries

from devices import clock, connectivity
from devices.models import Device, Heartbeat, StatusChange
from tests.devices.connectivity.facts import at, records
from tests.factories import T0, make_device, make_fleet

pytestmark = pytest.mark.django_db


def test_a_first_poll_is_contact_and_activates() -> None:
    device = make_device(is_active=False, activated_at=None, provisioned_at=None)
    assert connectivity.record_heartbeats([device.pk], at(0)) == 1
    device.refresh_from_db()
    assert (device.is_active, device.activated_at) == (True, T0)
    assert (device.first_contact_at, device.last_contact_at) == (T0, T0)
    assert records(device) == [(T0, "unknown", "recent", "heartbeat")]


def test_a_polling_device_writes_one_row_and_nothing_else(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    device = make_device()
    connectivity.record_heartbeats([device.pk], at(0))
    before, later = Device.objects.filter(pk=device.pk).values().get(), clock.moment(at(900))
    with django_assert_num_queries(2):  # a look; locks and the one UPDATE
        assert connectivity.record_heartbeats([device.pk], later) == 1
    assert Device.objects.filter(pk=device.pk).values().get() == before
    assert Heartbeat.objects.get().last_poll_at == at(900)
    assert len(records(device)) == 1


@pytest.mark.parametrize(("interval", "in_force"), [(60, 180), (180, 180), (200, 200), (None, 900)])
def test_a_supervisor_s_interval_is_never_below_three_minutes(interval: int | None, in_force: int) -> None:
    supervisor, native = make_device(poll_interval=interval), make_device(poll_interval=60)
    for moment in (0, 30):  # the first poll, and one that extends
        ids = [supervisor.pk, native.pk]
        assert connectivity.record_heartbeats(ids, at(moment), supervisors=[supervisor.pk]) == 2
        poll = Heartbeat.objects.get(device=supervisor)
        assert (poll.poll_interval, poll.late_at) == (in_force, at(moment + 1.5 * in_force))
        assert Heartbeat.objects.get(device=native).poll_interval == 60


@pytest.mark.parametrize("moment", [0, -5])
def test_a_poll_that_is_not_newer_changes_nothing(moment: float) -> None:
    device = make_device()
    connectivity.record_heartbeats([device.pk], at(0))
    assert connectivity.record_heartbeats([device.pk], at(moment)) == 0
    assert Heartbeat.objects.get().last_poll_at == T0


def test_a_poll_after_unrecorded_deadlines_records_them_first() -> None:
    device = make_device(make_fleet(poll_interval=10))
    connectivity.record_heartbeats([device.pk], at(0))
    connectivity.record_heartbeats([device.pk], at(100))
    assert records(device) == [
        (at(0), "unknown", "recent", "heartbeat"),
        (at(15), "recent", "late", "heartbeat-late"),
        (at(30), "late", "lost", "heartbeat-lost"),
        (at(100), "lost", "recent", "heartbeat"),
    ]
    changes = StatusChange.objects.filter(device=device).order_by("id").values_list("at", "after")
    assert list(changes) == [
        (at(0), "post-provisioning"),
        (at(0), "heartbeat-only"),
        (at(30), "offline"),
        (at(100), "heartbeat-only"),
    ]


def test_unknown_devices_are_passed_over() -> None:
    assert connectivity.record_heartbeats([999_999], at(0)) == 0


def test_the_public_address_is_written_when_it_changes() -> None:
    device = make_device()
    for moment, address in [(0, "203.0.113.7"), (1, "203.0.113.7"), (2, "2001:db8::7")]:
        connectivity.record_heartbeats([device.pk], at(moment), addresses={device.pk: address})
        device.refresh_from_db()
        assert device.public_address == address


@pytest.mark.thorough
@pytest.mark.parametrize("mode", ["force_generic_plan", "force_custom_plan"])
def test_a_batch_of_polls_reads_its_own_heartbeats_however_old_the_statistics_are(mode: str) -> None:
    """Every deadline lies behind those that the planner knows of, as when we come back from an outage."""
    fleet = make_fleet(poll_interval=10)
    Device.objects.bulk_create(
        Device(fleet=fleet, uuid=f"{number:032x}", is_active=True) for number in range(2000)
    )
    everybody = list(Device.objects.values_list("pk", flat=True))
    connectivity.record_heartbeats(everybody, at(0))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE devices_device, devices_heartbeat")
    connectivity.record_heartbeats(everybody, at(14))
    with CaptureQueriesContext(connection) as queries:
        assert connectivity.record_heartbeats(everybody[:100], at(28)) == 100
    extends = queries[-1]["sql"].rpartition(";")[2]  # sent together with the locks
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL plan_cache_mode = {mode}")
        cursor.execute(f"EXPLAIN {extends}")
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "Update on devices_heartbeat" in plan
    assert "heartbeat_due" not in plan  # how else so few are found is the planner's choice
