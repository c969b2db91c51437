"""A report and a VPN event for the same device, held open across each other, both succeed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection, transaction

from devices import clock, connectivity
from devices.models import Device
from devices.operations import reports
from tests.devices.ingest.world import World


def waiting_for_locks() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return int(cursor.fetchone()[0])


def beside(work: Callable[[], int]) -> tuple[threading.Thread, list[int]]:
    """Starts `work` on another connection; returns once it waits for ours."""
    done: list[int] = []

    def run() -> None:
        try:
            done.append(work())
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    while not waiting_for_locks():
        assert thread.is_alive()
        time.sleep(0.01)
    return thread, done


@pytest.mark.parametrize("event", ["disconnect", "alive"])
def test_a_report_that_settles_first_and_a_vpn_event(world: World, event: str) -> None:
    """The device is written twice by the report, which makes PostgreSQL check its VPN server."""
    at = clock.now()
    long_ago = at - timedelta(hours=1)
    uuids = [world.device.uuid]
    connectivity.record_heartbeats([world.device.pk], long_ago)
    connectivity.vpn_connected("s", uuids, long_ago, organization=world.organization)

    def speak() -> int:
        if event == "alive":
            return connectivity.vpn_alive("s", [], at, organization=world.organization)
        return connectivity.vpn_disconnected("s", uuids, at, organization=world.organization)

    with transaction.atomic():
        reports.apply_reports([(world.device.pk, {"release": "1"})], at)
        thread, done = beside(speak)
    thread.join(10)
    assert done == [1]
    device = Device.objects.get(pk=world.device.pk)
    assert (device.vpn_connected, device.release) == (False, "1")
