"""An update leaves the VPN of a fleet on where anything came of it; else its devices follow to not set."""

from __future__ import annotations

from importlib import import_module

import pytest
from django.apps import apps

from devices import clock, connectivity
from devices.jobs.runner import run
from devices.models import Device, Job, StatusChange
from devices.operations.fleet_settings import change_fleet
from devices.worker.registry import KINDS
from fleets.models import Fleet
from tests.factories import make_device, make_fleet

pytestmark = pytest.mark.django_db(transaction=True)

unset = import_module("devices.migrations.0006_vpn_not_set").unset


def test_a_fleet_that_was_never_connected_nor_set_becomes_not_set() -> None:
    at, connected, turned_on, off = clock.now(), make_fleet(), make_fleet(vpn_enabled=False), make_fleet()
    connectivity.vpn_connected("vpn-1", [make_device(connected).uuid], at)
    change_fleet(fleet=turned_on, vpn_enabled=True, actor=None)
    change_fleet(fleet=off, vpn_enabled=False, actor=None)
    bare, empty = make_fleet(), make_fleet()
    device, own = make_device(bare), make_device(bare, vpn_setting=True)
    connectivity.record_heartbeats([device.pk, own.pk], at)
    unset(apps, None)
    said = dict(Fleet.objects.values_list("pk", "vpn_enabled"))
    asked = (connected, turned_on, off, bare, empty)
    assert [said[fleet.pk] for fleet in asked] == [True, True, False, None, None]
    job = Job.objects.get()
    assert (job.total, Device.objects.get(pk=device.pk).recorded_status) == (1, "heartbeat-only")
    run(job.uuid, kinds=KINDS)
    job.refresh_from_db()
    assert (job.state, job.words) == (Job.State.DONE, "1 device follows.")
    assert list(Device.objects.filter(vpn_enabled=False).values_list("pk", flat=True)) == [device.pk]
    change = StatusChange.objects.filter(device_id=device.pk).latest("id")
    assert (change.after, change.reason) == ("online", {"slug": "vpn-unset"})


def test_a_connect_before_the_job_leaves_its_devices_as_they_are() -> None:
    fleet = make_fleet()
    first, other = make_device(fleet), make_device(fleet)
    unset(apps, None)
    connectivity.vpn_connected("vpn-1", [first.uuid], clock.now())
    run(Job.objects.get().uuid, kinds=KINDS)
    assert Fleet.objects.get().vpn_enabled is True
    assert Device.objects.get(pk=other.pk).vpn_enabled
