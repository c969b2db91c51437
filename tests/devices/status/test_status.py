"""The rule table of domain.md, row by row, and what is read from it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries, Settings

from devices import clock, connectivity
from devices.models import Device, Heartbeat, VpnServer
from devices.status import (
    RULES,
    Status,
    behind,
    count_attention,
    count_by_status,
    explain,
    filter_by_status,
    shown,
    vocabulary,
    with_status,
)
from tests.factories import T0, make_device, make_fleet, seconds

pytestmark = pytest.mark.django_db

POLL = 900  # seconds
LATE = 1350  # ceil(1.5 x P)
LOST = 1365


def status_at(device: Device, at: datetime) -> str:
    return str(with_status(Device.objects.filter(pk=device.pk), at).get().status)


def make_polled(seconds_ago: float = 0, **fields: Any) -> Device:
    """A device whose last poll was that long before T0."""
    device = make_device(**fields)
    connectivity.record_heartbeats([device.pk], T0 - seconds(seconds_ago))
    return device


UP: dict[str, Any] = {"vpn_connected": True, "vpn_changed_at": T0}
DOWN: dict[str, Any] = {"vpn_connected": False, "vpn_changed_at": T0}
BEATS: dict[str, Any] = {"heartbeat_state": "recent", "heartbeat_changed_at": T0}
LATELY: dict[str, Any] = {"heartbeat_state": "late", "heartbeat_changed_at": T0}
LOST_BEAT: dict[str, Any] = {"heartbeat_state": "lost", "heartbeat_changed_at": T0}
NEW: dict[str, Any] = {"provisioned_at": None}

# rule, facts, status: every rule, and for each the facts that a later rule would read otherwise
TABLE: list[tuple[int, dict[str, Any], Status]] = [
    (1, UP | BEATS | {"frozen_reason": "unpaid"}, Status.FROZEN),
    (1, {"frozen_reason": "fleet-type", "is_active": False}, Status.FROZEN),
    (1, {"frozen_reason": "allowance", "provisioning_state": "Post-Provisioning"}, Status.FROZEN),
    (2, UP | BEATS | {"is_active": False}, Status.INACTIVE),
    (2, {"is_active": False, "provisioning_state": "Post-Provisioning"}, Status.INACTIVE),
    (3, UP | BEATS | {"provisioning_state": "Post-Provisioning"}, Status.POST_PROVISIONING),
    (3, DOWN | LOST_BEAT | {"provisioning_state": "Post-Provisioning"}, Status.POST_PROVISIONING),
    (12, UP | BEATS | {"provisioning_state": "post-provisioning"}, Status.ONLINE),
    (4, {"provisioning_progress": 0}, Status.CONFIGURING),
    (4, NEW | {"provisioning_progress": 100}, Status.CONFIGURING),
    (5, {}, Status.POST_PROVISIONING),
    (5, {"update_progress": 50, "first_contact_at": T0}, Status.POST_PROVISIONING),
    (6, NEW, Status.INACTIVE),
    (7, NEW | {"first_contact_at": T0}, Status.OFFLINE),
    (7, DOWN, Status.OFFLINE),
    (7, DOWN | LOST_BEAT, Status.OFFLINE),
    (7, LOST_BEAT, Status.OFFLINE),
    (7, DOWN | LOST_BEAT | {"update_progress": 10}, Status.OFFLINE),
    (7, DOWN | LOST_BEAT | {"provisioning_progress": 10}, Status.OFFLINE),
    (7, DOWN | LOST_BEAT | {"vpn_enabled": False}, Status.OFFLINE),
    (8, UP | {"provisioning_progress": 0}, Status.CONFIGURING),
    (8, DOWN | BEATS | {"provisioning_progress": 99, "update_progress": 1}, Status.CONFIGURING),
    (9, UP | BEATS | {"update_progress": 0}, Status.UPDATING),
    (9, DOWN | BEATS | {"update_progress": 100}, Status.UPDATING),
    (9, UP | LATELY | {"update_progress": 5}, Status.UPDATING),
    (10, UP | LOST_BEAT | {"update_progress": 5}, Status.VPN_ONLY),
    (10, UP | {"update_progress": 5}, Status.VPN_ONLY),
    (10, UP | LATELY, Status.VPN_ONLY),
    (10, UP | LOST_BEAT, Status.VPN_ONLY),
    (10, UP, Status.VPN_ONLY),
    (11, DOWN | BEATS, Status.HEARTBEAT_ONLY),
    (11, BEATS, Status.HEARTBEAT_ONLY),
    (11, DOWN | LATELY, Status.HEARTBEAT_ONLY),
    (11, DOWN | LATELY | {"vpn_enabled": False}, Status.HEARTBEAT_ONLY),
    (12, UP | BEATS, Status.ONLINE),
    (12, DOWN | BEATS | {"vpn_enabled": False}, Status.ONLINE),
    (12, UP | BEATS | {"vpn_enabled": False}, Status.ONLINE),
]


@pytest.mark.parametrize(("rule", "facts", "status"), TABLE)
def test_the_first_matching_rule_gives_the_status(rule: int, facts: dict[str, Any], status: Status) -> None:
    device = make_device(**facts)
    why = explain(device, T0)
    assert (why.rule, why.status, status_at(device, T0)) == (rule, status, status)
    assert device.recorded_status == status
    assert RULES[rule - 1].status == status


def test_the_table_reaches_every_rule() -> None:
    assert {rule for rule, _, _ in TABLE} == set(range(1, len(RULES) + 1))


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
        assert count_attention(Device.objects.all(), at) == stalled


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
    assert count_attention(Device.objects.all(), T0 + seconds(3600)) == 4


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
    assert filter_by_status(Device.objects.all(), [Status.HEARTBEAT_ONLY], T0 + seconds(10)).get() == device


def test_counts_have_all_nine_keys_in_display_order() -> None:
    assert list(count_by_status(Device.objects.all(), T0).items()) == [(slug, 0) for slug in Status.values]


@pytest.mark.parametrize("number", [1, 30])
def test_queries_do_not_grow_with_devices(
    number: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    fleet = make_fleet()
    connectivity.record_heartbeats([make_device(fleet).pk for _ in range(number)], T0)
    at = clock.known(T0 + seconds(LOST))
    with django_assert_num_queries(1):
        assert count_by_status(Device.objects.all(), at)[Status.OFFLINE] == number
    with django_assert_num_queries(1):
        assert len(filter_by_status(Device.objects.all(), [Status.OFFLINE], at)) == number
    with django_assert_num_queries(1):
        assert len(with_status(Device.objects.all(), at)) == number


def plan(sql: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {sql}")
        return "\n".join(row[0] for row in cursor.fetchall())


@pytest.mark.django_db(transaction=True)
def test_counts_and_filters_of_a_fleet_use_its_status_index() -> None:
    fleets = [make_fleet() for _ in range(40)]
    Device.objects.bulk_create(
        Device(fleet=fleets[number % 40], uuid=f"{number:032x}", is_active=number % 10 > 0)
        for number in range(4000)
    )
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE devices_device")
    devices, at = Device.objects.filter(fleet=fleets[0]), clock.known(T0)
    with CaptureQueriesContext(connection) as queries:
        count_by_status(devices.exclude(recorded_status="frozen"), at)  # not whole: no counter knows
        list(filter_by_status(devices, [Status.OFFLINE], at))
    counts, rows = (plan(query["sql"]) for query in queries)
    assert "Index Only Scan using device_fleet_status" in counts
    assert "device_fleet_status" in rows
    for each in (counts, rows):
        assert "Seq Scan on devices_device" not in each


def test_the_simple_vocabulary_folds_where_a_status_is_shown(settings: Settings) -> None:
    assert vocabulary() == list(Status)
    assert [behind(status) for status in Status] == [[status] for status in Status]
    settings.SIMPLE_STATUSES = True
    assert [status.label for status in vocabulary()] == [
        "Online",
        "Offline",
        "Configuring",
        "Updating",
        "Post Provisioning",
        "Inactive",
    ]
    assert shown(Status.VPN_ONLY) == shown(Status.HEARTBEAT_ONLY) == Status.ONLINE
    assert shown(Status.FROZEN) == Status.INACTIVE
    assert behind(Status.ONLINE) == [Status.ONLINE, Status.VPN_ONLY, Status.HEARTBEAT_ONLY]
    assert behind(Status.INACTIVE) == [Status.INACTIVE, Status.FROZEN]


def test_the_explanation_names_what_the_clock_will_bring() -> None:
    device = make_polled()
    why = explain(device, T0 + seconds(60))
    assert (why.next_status, why.next_at) == (Status.OFFLINE, T0 + seconds(LOST))
    assert "not connected" in why.because
    assert "12:00:00" in why.because
    lost = explain(device, T0 + seconds(LOST))
    assert (lost.next_status, lost.next_at) == (None, None)


@pytest.mark.parametrize(("elapsed", "named"), [(29, False), (30, True), (59, True)])
def test_a_lease_is_named_once_its_sign_is_overdue(elapsed: float, *, named: bool) -> None:
    device = make_polled()
    connectivity.vpn_alive("vpn-1", at=T0)
    connectivity.vpn_connected("vpn-1", [device.uuid], T0)
    why = explain(device, T0 + seconds(elapsed))
    lease = (Status.HEARTBEAT_ONLY, T0 + seconds(60))
    window = (Status.VPN_ONLY, T0 + seconds(LATE))
    assert (why.next_status, why.next_at) == (lease if named else window)
    assert VpnServer.objects.get().due_at == T0 + seconds(60)
