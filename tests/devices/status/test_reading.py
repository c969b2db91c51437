"""What devices are at a clock, deadlines and leases to the instant."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection
from pytest_django import Settings

from devices import clock, connectivity
from devices.models import Device, Heartbeat
from devices.rules.vocabulary import Status
from devices.status.counts import count_attention, count_by_status
from devices.status.reading import filter_by_status, moved, moved_ids, with_status
from tests.devices.status.polled import (
    BEATS,
    DOWN,
    LATE,
    LOST,
    LOST_BEAT,
    UP,
    make_polled,
    status_at,
)
from tests.factories import T0, make_device, make_devices, make_fleet, seconds

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("elapsed", "vpn", "status", "heartbeat"),
    [
        (0, False, Status.HEARTBEAT_ONLY, "recent"),
        (LATE - 0.000001, False, Status.HEARTBEAT_ONLY, "recent"),
        (LATE, False, Status.HEARTBEAT_ONLY, "late"),
        (LOST - 0.000001, False, Status.HEARTBEAT_ONLY, "late"),
        (LOST, False, Status.OFFLINE, "lost"),
        (LATE - 0.000001, True, Status.ONLINE, "recent"),
        (LATE, True, Status.VPN_ONLY, "late"),
        (LOST, True, Status.VPN_ONLY, "lost"),
    ],
)
@pytest.mark.parametrize("settled", [False, True])
def test_deadlines_count_from_the_instant_they_name(
    elapsed: float, *, vpn: bool, status: Status, heartbeat: str, settled: bool
) -> None:
    device, at = make_polled(), T0 + seconds(elapsed)
    if vpn:
        connectivity.vpn_connected("vpn-1", [device.uuid], T0)
    if settled:
        connectivity.settle(at)
    now = with_status(Device.objects.all(), at).get()
    assert (now.status, now.heartbeat) == (status, heartbeat)
    since = {"recent": 0, "late": LATE, "lost": LOST}[heartbeat]
    assert now.heartbeat_since == T0 + seconds(since)
    changed = {Status.OFFLINE: LOST, Status.VPN_ONLY: LATE}.get(status, 0)
    assert now.status_since == T0 + seconds(changed)


@pytest.mark.parametrize(
    ("settled", "read", "moved"),
    [
        (0, LATE - 1, False),
        (0, LATE, True),
        (LATE, LATE - 1, True),
        (LATE, LATE, False),
        (LATE, LOST - 1, False),
        (LATE, LOST, True),
        (LOST, LATE, True),
        (LOST, LOST - 1, True),
        (LOST, LOST, False),
    ],
)
def test_a_device_has_moved_only_where_its_recorded_heartbeat_is_not_that_of_the_reading(
    settled: float, read: float, *, moved: bool
) -> None:
    """Each that has moved costs every page, so that one that is late is not among them while it is."""
    device = make_polled()
    connectivity.settle(T0 + seconds(settled))
    assert moved_ids(clock.moment(T0 + seconds(read))) == [device.pk] * moved


def test_the_planner_expects_that_few_have_moved_where_all_are_lost() -> None:
    """Else it reads all devices to list those of a status."""
    make_devices(make_fleet(), 300)
    connectivity.record_heartbeats(list(Device.objects.values_list("pk", flat=True)), T0)
    connectivity.settle(T0 + seconds(LOST))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE devices_heartbeat")
    (plan,) = json.loads(moved(clock.moment(T0 + seconds(LOST + 1))).explain(format="json"))
    assert plan["Plan"]["Plan Rows"] < 30


@pytest.mark.parametrize("settled", [False, True])
@pytest.mark.parametrize(
    ("elapsed", "status"),
    [(59.999999, Status.ONLINE), (60, Status.HEARTBEAT_ONLY), (1365, Status.OFFLINE)],
)
def test_a_silent_server_loses_its_devices_to_the_second(
    elapsed: float, status: Status, *, settled: bool
) -> None:
    device, at = make_polled(), T0 + seconds(elapsed)
    connectivity.vpn_alive("vpn-1", at=T0)
    connectivity.vpn_connected("vpn-1", [device.uuid], T0)
    if settled:
        connectivity.settle(at)
    now = with_status(Device.objects.all(), at).get()
    assert (now.status, now.vpn) == (status, elapsed < 60)
    assert now.vpn_since == (T0 if elapsed < 60 else T0 + seconds(60))


@pytest.mark.parametrize(("interval", "late"), [(10, 15), (11, 17), (13, 20), (180, 270), (86400, 129600)])
def test_the_window_is_one_and_a_half_intervals_rounded_up(interval: int, late: int) -> None:
    make_polled(fleet=make_fleet(poll_interval=interval))
    poll = Heartbeat.objects.get()
    assert (poll.late_at - T0, poll.lost_at - poll.late_at) == (seconds(late), seconds(15))


@pytest.mark.parametrize(
    ("own", "fleets", "in_force"), [(None, None, 900), (None, 60, 60), (30, 60, 30), (30, None, 30)]
)
def test_the_nearest_poll_interval_is_in_force(own: int | None, fleets: int | None, in_force: int) -> None:
    make_polled(fleet=make_fleet(poll_interval=fleets), poll_interval=own)
    assert Heartbeat.objects.get().poll_interval == in_force


def test_the_interval_in_force_is_that_of_the_poll(settings: Settings) -> None:
    device = make_polled()
    Device.objects.filter(pk=device.pk).update(poll_interval=10)
    settings.HEARTBEAT_GRACE = 60
    assert status_at(device, T0 + seconds(LATE - 1)) == Status.HEARTBEAT_ONLY
    assert status_at(device, T0 + seconds(LOST)) == Status.OFFLINE


def test_overdue_is_for_the_eye_from_the_interval_and_a_minute() -> None:
    device = make_polled()
    for elapsed, overdue in [(959.999, False), (960, True), (LATE, False)]:
        now = with_status(Device.objects.filter(pk=device.pk), T0 + seconds(elapsed)).get()
        assert (now.overdue, now.status) == (overdue, Status.HEARTBEAT_ONLY)


@pytest.mark.parametrize("field", ["update_progress", "provisioning_progress"])
def test_thirty_minutes_without_progress_need_attention(field: str) -> None:
    facts = UP | BEATS | {field: 40}
    device = make_device(**facts, progress_changed_at=T0)
    for elapsed, stalled in [(1799.999, False), (1800, True)]:
        at = T0 + seconds(elapsed)
        now = with_status(Device.objects.filter(pk=device.pk), at).get()
        assert (now.stalled, now.attention) == (stalled, stalled)
        assert count_attention(Device.objects.all(), clock.moment(at)) == stalled


def test_attention_sorts_the_worst_first() -> None:
    progress: dict[str, Any] = {"progress_changed_at": T0}
    expected = [
        make_device(**DOWN, **LOST_BEAT),
        make_device(**DOWN, **BEATS),
        make_device(**UP, **LOST_BEAT),
        make_device(**UP, **BEATS, update_progress=1, **progress),
        make_device(**UP, **BEATS, update_progress=1),
        make_device(**UP, provisioning_progress=1),
        make_device(),
        make_device(**UP, **BEATS),
        make_device(is_active=False),
        make_device(frozen_reason="unpaid"),
    ]
    ranked = with_status(Device.objects.all(), T0 + seconds(3600)).order_by("rank")
    assert [(device.pk, device.rank) for device in ranked] == [
        (device.pk, rank) for rank, device in enumerate(expected)
    ]
    assert [device.attention for device in ranked] == [True] * 4 + [False] * 6
    assert count_attention(Device.objects.all(), clock.moment(T0 + seconds(3600))) == 4


def test_a_dropped_update_is_offline_and_returns_to_updating_by_itself() -> None:
    device = make_polled(update_progress=40)
    assert status_at(device, T0) == Status.UPDATING
    assert status_at(device, T0 + seconds(LOST)) == Status.OFFLINE
    connectivity.record_heartbeats([device.pk], T0 + seconds(3000))
    assert status_at(device, T0 + seconds(3000)) == Status.UPDATING


def test_a_clock_before_what_is_recorded_reads_todays_facts_at_it() -> None:
    device = make_polled()
    connectivity.settle(T0 + seconds(9000))
    assert status_at(device, T0 + seconds(10)) == Status.HEARTBEAT_ONLY
    assert count_by_status(Device.objects.all(), T0 + seconds(10))[Status.HEARTBEAT_ONLY] == 1
    at = clock.moment(T0 + seconds(10))
    assert filter_by_status(Device.objects.all(), [Status.HEARTBEAT_ONLY], at).get() == device
