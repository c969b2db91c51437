"""A fleet of which nobody has said whether it uses the VPN: the first connect of a device of it says so."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from devices import connectivity
from devices.models import Device, Job, StatusChange
from devices.operations import lifecycle
from devices.operations.fleet_settings import change_fleet
from devices.rules.vocabulary import Status
from devices.status.reading import with_status
from fleets.models import AuditEntry, Fleet
from tests.at_once import WAIT, at_once, held_open, in_background
from tests.factories import T0, make_device, make_fleet, seconds

pytestmark = pytest.mark.django_db


@pytest.fixture
def fleet() -> Fleet:
    return make_fleet(vpn_enabled=None, slug="pumps", name="Pumps")


def status(device: Device, after: float = 1) -> str:
    return str(with_status(Device.objects.filter(pk=device.pk), T0 + seconds(after)).get().status)


def used(*devices: Device) -> list[bool]:
    found = dict(Device.objects.values_list("pk", "vpn_enabled"))
    return [found[device.pk] for device in devices]


def test_until_then_the_heartbeat_alone_makes_a_device_online(fleet: Fleet) -> None:
    device = lifecycle.register(fleet=fleet, at=T0)
    assert (device.vpn_enabled, device.vpn_unset) == (False, True)
    connectivity.record_heartbeats([device.pk], T0)
    assert status(device) == Status.ONLINE


def test_the_first_connect_sets_the_fleet_and_those_it_names_and_a_job_the_others(fleet: Fleet) -> None:
    first, own, other = make_device(fleet), make_device(fleet, vpn_setting=False), make_device(fleet)
    connectivity.record_heartbeats([first.pk, own.pk, other.pk], T0)
    connectivity.vpn_connected("vpn-1", [first.uuid], T0 + seconds(1))
    fleet.refresh_from_db()
    assert fleet.vpn_enabled is True
    assert used(first, own, other) == [True, False, False]
    job = Job.objects.get()
    assert (job.kind, job.total, job.whole, job.may_stop) == ("vpn", 1, False, False)
    assert (job.title, job.started_by_name) == ("The fleet Pumps began to use the VPN", "VPN server vpn-1")
    entry = AuditEntry.objects.get(action="fleet-changed")
    assert (entry.actor_name, entry.before, entry.after) == (
        "VPN server vpn-1",
        {"vpn_enabled": None},
        {"vpn_enabled": True},
    )
    changes = StatusChange.objects.filter(device_id=first.pk).order_by("id")
    assert [change.after for change in changes] == ["post-provisioning", "online"]  # it lost nothing


def test_where_no_other_device_follows_there_is_no_job(fleet: Fleet) -> None:
    device = make_device(fleet)
    connectivity.vpn_connected("vpn-1", [device.uuid], T0)
    connectivity.vpn_disconnected("vpn-1", [device.uuid], T0 + seconds(1))
    connectivity.record_heartbeats([device.pk], T0 + seconds(1))
    assert status(device, 2) == Status.HEARTBEAT_ONLY
    assert not Job.objects.exists()
    assert used(lifecycle.register(fleet=fleet)) == [True]


def test_the_list_of_a_server_is_a_connect(fleet: Fleet) -> None:
    listed, other = make_device(fleet), make_device(fleet)
    connectivity.vpn_alive("vpn-1", [], T0)
    assert Fleet.objects.get().vpn_enabled is None
    connectivity.vpn_alive("vpn-1", [listed.uuid], T0 + seconds(1))
    assert Fleet.objects.get().vpn_enabled is True
    assert used(listed, other) == [True, False]


@pytest.mark.parametrize("said", [True, False])
def test_what_a_person_has_set_stays(fleet: Fleet, *, said: bool) -> None:
    device = make_device(fleet)
    change_fleet(fleet=fleet, vpn_enabled=said, actor=None, at=T0)
    connectivity.vpn_connected("vpn-1", [device.uuid], T0 + seconds(1))
    assert (Fleet.objects.get().vpn_enabled, used(device)) == (said, [said])
    assert not Job.objects.exists()


@pytest.mark.parametrize("own", [True, False])
def test_a_device_that_says_so_itself_sets_no_fleet(fleet: Fleet, *, own: bool) -> None:
    device = make_device(fleet, vpn_setting=own, vpn_enabled=own)
    connectivity.vpn_connected("vpn-1", [device.uuid], T0)
    assert (Fleet.objects.get().vpn_enabled, used(device)) == (None, [own])


def test_one_that_has_not_followed_yet_follows_by_its_own_connect(fleet: Fleet) -> None:
    first, second, third = (make_device(fleet) for _ in range(3))
    connectivity.vpn_connected("vpn-1", [first.uuid], T0)
    connectivity.vpn_connected("vpn-2", [second.uuid], T0 + seconds(1))
    assert used(first, second, third) == [True, True, False]
    assert Job.objects.count() == 1


@pytest.mark.parametrize("said", [True, False])
def test_a_connect_pays_nothing_for_it_once_the_fleet_is_set(*, said: bool) -> None:
    device = make_device(make_fleet(vpn_enabled=said), vpn_enabled=said)
    connectivity.vpn_connected("vpn-1", [device.uuid], T0)
    connectivity.vpn_disconnected("vpn-1", [device.uuid], T0)
    with CaptureQueriesContext(connection) as asked:
        connectivity.vpn_connected("vpn-1", [device.uuid], T0 + seconds(1))
    assert not [each for each in asked if "fleets_organization" in each["sql"]]
    assert len(asked) == 12


@pytest.mark.django_db(transaction=True)
def test_two_servers_that_connect_the_first_devices_at_once_set_the_fleet_once(fleet: Fleet) -> None:
    devices = [make_device(fleet) for _ in range(4)]
    uuids = [device.uuid for device in devices]
    came = at_once(
        lambda: connectivity.vpn_connected("vpn-1", uuids[:2], T0),
        lambda: connectivity.vpn_connected("vpn-2", uuids[1:3], T0),
        lambda: lifecycle.register(fleet=fleet, at=T0),
    )
    assert not [each for each in came if isinstance(each, Exception)]
    assert Fleet.objects.get().vpn_enabled is True
    assert AuditEntry.objects.filter(action="fleet-changed").count() == Job.objects.count() == 1
    assert used(*devices) == [True, True, True, False]


@pytest.mark.django_db(transaction=True)
def test_a_registration_waits_for_the_first_connect_and_the_other_way_round(fleet: Fleet) -> None:
    first = make_device(fleet)
    with held_open(lambda: connectivity.vpn_connected("vpn-1", [first.uuid], T0)):
        waiting = in_background(lambda: lifecycle.register(fleet=fleet, uuid="a" * 32, at=T0))
    waiting.join(WAIT)
    assert used(Device.objects.get(uuid="a" * 32)) == [True]
    other = make_fleet(fleet.organization, vpn_enabled=None)
    first = make_device(other)
    with held_open(lambda: lifecycle.register(fleet=other, uuid="b" * 32, at=T0)):
        waiting = in_background(lambda: connectivity.vpn_connected("vpn-1", [first.uuid], T0))
    waiting.join(WAIT)
    job = Job.objects.get(parameters__fleet=other.pk)
    assert (used(Device.objects.get(uuid="b" * 32)), job.total) == ([False], 1)


@pytest.mark.django_db(transaction=True)
def test_a_person_who_turns_it_off_at_that_moment_keeps_it(fleet: Fleet) -> None:
    device = make_device(fleet)
    with held_open(lambda: change_fleet(fleet=fleet, vpn_enabled=False, actor=None, at=T0)):
        waiting = in_background(lambda: connectivity.vpn_connected("vpn-1", [device.uuid], T0))
    waiting.join(WAIT)
    assert (Fleet.objects.get().vpn_enabled, used(device)) == (False, [False])
