"""Deadlines that passed: each recorded once, in order, as if somebody had always looked."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection, transaction
from pytest_django import DjangoAssertNumQueries

from devices import clock, connectivity
from devices.connectivity import deadlines, outages
from devices.integrity import checks as integrity
from devices.models import ConnectivityRecord, StatusChange
from devices.transitions import write as transitions
from tests.devices.connectivity.facts import at
from tests.factories import T0, make_device, make_fleet, seconds

pytestmark = pytest.mark.django_db


def test_how_far_the_history_is_behind_is_asked_by_one_query(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    device = make_device(make_fleet(poll_interval=10))
    connectivity.record_heartbeats([device.pk], T0)
    connectivity.settle(at(0))
    for second, expected in ((14, None), (15, seconds(0)), (75, seconds(60))):
        with django_assert_num_queries(1):
            assert deadlines.backlog(clock.listened(at(second))).behind == expected
    assert deadlines.backlog(clock.listened(at(14))).next_due == at(15)
    connectivity.settle(at(75))
    assert deadlines.backlog(clock.listened(at(75))).behind is None


def test_counters_that_wait_to_be_folded_are_something_to_do() -> None:
    connectivity.settle(at(0))
    make_device()
    assert deadlines.backlog(clock.listened(at(0))).behind == seconds(0)
    connectivity.settle(at(0))
    assert deadlines.backlog(clock.listened(at(0))).behind is None


def test_what_no_sign_made_certain_is_not_behind() -> None:
    device = make_device(make_fleet(poll_interval=10))
    connectivity.record_heartbeats([device.pk], T0)
    connectivity.settle(at(0))
    outages.record_liveness(T0)
    assert deadlines.backlog(clock.moment(T0 + seconds(1000))).behind is None


def polled(number: int) -> list[int]:
    """So many devices that polled at T0 and are late and lost 45 s later."""
    fleet = make_fleet(poll_interval=10)
    ids = [make_device(fleet).pk for _ in range(number)]
    connectivity.record_heartbeats(ids, T0)
    return ids


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, list[int]]]:
    """What is settled together, two devices at most, with the thread that does it."""
    seen: list[tuple[int, list[int]]] = []

    def spied(ids: list[int], at: Any) -> int:
        seen.append((threading.get_ident(), ids))
        return transitions.settle_devices(ids, at)

    monkeypatch.setattr(deadlines, "SETTLE_BATCH", 2)
    monkeypatch.setattr(deadlines, "settle_devices", spied)
    return seen


@pytest.mark.django_db(transaction=True)
def test_a_backlog_is_settled_on_two_connections_each_device_once(
    batches: list[tuple[int, list[int]]],
) -> None:
    ids = polled(9)
    assert connectivity.settle(T0 + seconds(100)) == 2 * len(ids)
    assert sorted(device for _, batch in batches for device in batch) == ids
    assert len({thread for thread, _ in batches}) == 2
    assert not list(integrity.disagreements(T0 + seconds(100)))
    assert connectivity.settle(T0 + seconds(100)) == 0


@pytest.mark.django_db(transaction=True)
def test_what_a_transaction_settles_is_its_own(batches: list[tuple[int, list[int]]]) -> None:
    polled(5)
    before = ConnectivityRecord.objects.count()
    with transaction.atomic():
        assert connectivity.settle(T0 + seconds(100)) == 10
        transaction.set_rollback(True)
    assert {thread for thread, _ in batches} == {threading.get_ident()}
    assert ConnectivityRecord.objects.count() == before


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("number", [0, 2])
def test_a_batch_that_fails_is_heard_of_and_settled_at_the_next_look(
    number: int, batches: list[tuple[int, list[int]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = polled(8)

    def failing(some: list[int], at: Any) -> int:
        if ids[number] in some:
            raise RuntimeError("it failed")
        return transitions.settle_devices(some, at)

    with monkeypatch.context() as patch:
        patch.setattr(deadlines, "settle_devices", failing)
        with pytest.raises(RuntimeError, match="it failed"):
            connectivity.settle(T0 + seconds(100))
    connectivity.settle(T0 + seconds(100))
    assert ConnectivityRecord.objects.filter(after="lost").count() == len(ids)
    assert not list(integrity.disagreements(T0 + seconds(100)))


def test_for_a_batch_the_rest_of_a_backlog_is_not_read() -> None:
    ids = polled(400)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE devices_heartbeat, devices_device")  # hardly anything is due then
        cursor.execute(f"EXPLAIN {transitions.PASSED}", {"ids": ids[:40], "at": T0 + seconds(14)})
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "heartbeat_pkey" in plan
    assert "heartbeat_due" not in plan


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
