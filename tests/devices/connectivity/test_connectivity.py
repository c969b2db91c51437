"""The links, event by event: ownership, sessions, leases, lists, contact (domain.md, VPN; protocol.md)."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries

from devices import clock, connectivity
from devices.connectivity.vpn import unknown_uuids
from devices.models import ConnectivityRecord, Device, Heartbeat, StatusChange, VpnServer
from tests.factories import T0, make_device, make_fleet, seconds

pytestmark = pytest.mark.django_db


def at(number: float) -> Any:
    return T0 + seconds(number)


def link(device: Device) -> tuple[bool, Any, str | None]:
    device.refresh_from_db()
    owner = device.vpn_server.name if device.vpn_server else None
    return device.vpn_connected, device.vpn_changed_at, owner


def records(device: Device) -> list[tuple[Any, str, str, str]]:
    rows = ConnectivityRecord.objects.filter(device=device).order_by("id")
    return [(row.at, row.before, row.after, row.reason["slug"]) for row in rows]


# Polls


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
    before, later = Device.objects.filter(pk=device.pk).values().get(), clock.known(at(900))
    with django_assert_num_queries(5):  # savepoint, a look, locks, the one UPDATE, release
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


def test_a_batch_of_polls_reads_its_own_heartbeats_however_old_the_statistics_are() -> None:
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
    (extends,) = [query["sql"] for query in queries if "SET last_poll_at" in query["sql"]]
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {extends}")
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "heartbeat_due" not in plan  # how else so few are found is the planner's choice


# VPN


def test_a_connect_owns_and_is_contact() -> None:
    device = make_device(is_active=False, activated_at=None)
    assert connectivity.vpn_connected("vpn-1", [device.uuid], at(5)) == 1
    assert link(device) == (True, at(5), "vpn-1")
    assert (device.is_active, device.last_contact_at) == (True, at(5))


def test_repeating_an_event_changes_nothing() -> None:
    device = make_device()
    assert connectivity.vpn_connected("vpn-1", [device.uuid], at(0)) == 1
    assert connectivity.vpn_connected("vpn-1", [device.uuid] * 2, at(1)) == 0
    assert link(device) == (True, at(0), "vpn-1")
    assert connectivity.vpn_disconnected("vpn-1", [device.uuid], at(2)) == 1
    assert connectivity.vpn_disconnected("vpn-1", [device.uuid], at(3)) == 0
    assert link(device) == (False, at(2), None)
    assert len(records(device)) == 2


def test_a_late_disconnect_of_a_former_owner_changes_nothing() -> None:
    device = make_device()
    connectivity.vpn_connected("vpn-1", [device.uuid], at(0))
    assert connectivity.vpn_connected("vpn-2", [device.uuid], at(10)) == 1
    assert connectivity.vpn_disconnected("vpn-1", [device.uuid], at(11)) == 0
    assert link(device) == (True, at(0), "vpn-2")  # it roamed: connected all along
    assert len(records(device)) == 1


@pytest.mark.parametrize(
    ("session", "changed"), [("old", 0), ("new", 1), ("", 1)], ids=["former", "current", "unnamed"]
)
def test_a_named_session_disconnects_only_itself(session: str, changed: int) -> None:
    device = make_device()
    for number, name in enumerate(["old", "new"]):
        connectivity.vpn_connected("vpn-1", [device.uuid], at(number), sessions={device.uuid: name})
    ended = connectivity.vpn_disconnected("vpn-1", [device.uuid], at(5), sessions={device.uuid: session})
    assert (ended, link(device)[0]) == (changed, not changed)


def test_since_never_goes_back() -> None:
    device = make_device()
    connectivity.vpn_connected("vpn-1", [device.uuid], at(10))
    connectivity.vpn_disconnected("vpn-1", [device.uuid], at(4))
    assert link(device) == (False, at(10), None)


def test_two_organizations_and_the_site_may_call_a_server_the_same() -> None:
    """What each says of its own server touches no device of another one's."""
    fleets = make_fleet(), make_fleet()
    here, there = (make_device(fleet) for fleet in fleets)
    of_site = make_device(fleets[0])
    for device, owner in ((here, fleets[0].organization), (there, fleets[1].organization), (of_site, None)):
        connectivity.vpn_alive("vpn-1", at=at(0), boot="a", organization=owner)
        connectivity.vpn_connected("vpn-1", [device.uuid], at(0), organization=owner)
    ours = fleets[0].organization
    everybody = [here.uuid, there.uuid, of_site.uuid]
    assert connectivity.vpn_alive("vpn-1", [], at(31), boot="a", organization=ours) == 1
    assert [link(device)[0] for device in (here, there, of_site)] == [False, True, True]
    assert connectivity.vpn_disconnected("vpn-1", everybody, at(32), organization=ours) == 0
    assert connectivity.vpn_disconnected("vpn-1", everybody, at(33)) == 1
    assert [link(device)[0] for device in (here, there, of_site)] == [False, True, False]
    connectivity.settle(at(60))
    assert link(there) == (False, at(60), "vpn-1")  # nothing renewed the lease of its server
    assert VpnServer.objects.filter(name="vpn-1").count() == 3


def test_a_server_reaches_only_the_devices_of_its_organization() -> None:
    device, stranger = make_device(), make_device()
    uuids = [device.uuid, stranger.uuid, "f" * 32]
    organization = device.organization
    assert connectivity.vpn_connected("vpn-1", uuids, at(0), organization=organization) == 1
    assert unknown_uuids(uuids, organization) == [stranger.uuid, "f" * 32]
    assert link(stranger)[0] is False
    listed = connectivity.vpn_alive("vpn-1", uuids, at(1), organization=organization)
    assert (listed, link(stranger)[0]) == (0, False)


# Settle


def test_settle_writes_the_history_as_if_it_had_always_run() -> None:
    fleet = make_fleet(poll_interval=10)
    told, late = make_device(fleet), make_device(fleet)
    for device in (told, late):
        connectivity.record_heartbeats([device.pk], at(0))
        connectivity.vpn_alive("vpn-1", at=at(0))
        connectivity.vpn_connected("vpn-1", [device.uuid], at(0))
    assert connectivity.settle(at(100_000)) == 6
    assert connectivity.settle(at(100_000)) == 0
    expected = [
        (at(0), "post-provisioning"),
        (at(0), "heartbeat-only"),
        (at(0), "online"),
        (at(15), "vpn-only"),
        (at(60), "offline"),
    ]
    for device in (told, late):
        changes = StatusChange.objects.filter(device=device).order_by("id")
        assert list(changes.values_list("at", "after")) == expected


def test_edges_of_one_device_are_recorded_in_time_order_whatever_comes_first() -> None:
    device = make_device(make_fleet(poll_interval=60))  # late at 90 s, after the lease's end at 60 s
    connectivity.vpn_alive("vpn-1", at=at(0))
    connectivity.vpn_connected("vpn-1", [device.uuid], at(0))
    connectivity.record_heartbeats([device.pk], at(0))
    connectivity.settle(at(100_000))
    changes = StatusChange.objects.filter(device=device).order_by("id")
    assert list(changes.values_list("at", "after"))[-2:] == [
        (at(60), "heartbeat-only"),
        (at(105), "offline"),
    ]
