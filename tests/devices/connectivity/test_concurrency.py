"""Two transactions at once, each held open in turn: whatever commits last, nothing is lost or left late."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from itertools import pairwise

import pytest
from django.db import connections

from devices import connectivity
from devices.connectivity import outages
from devices.ingest.database import in_database
from devices.models import ConnectivityRecord, Device, Heartbeat, StatusChange
from devices.operations import lifecycle
from devices.rules.vocabulary import Status
from devices.status.reading import with_status
from tests.at_once import WAIT, held_open, in_background
from tests.factories import T0, make_device, make_fleet, seconds

pytestmark = pytest.mark.django_db(transaction=True)

LATE = T0 + seconds(15)  # of a device that polls every 10 s and did so at T0


def make_polling(**fields: object) -> Device:
    device = make_device(make_fleet(poll_interval=10), **fields)
    connectivity.record_heartbeats([device.pk], T0)
    return device


def shown(device: Device, at: object) -> str:
    return str(with_status(Device.objects.filter(pk=device.pk), at).get().status)  # type: ignore[arg-type]


def test_a_poll_that_waited_for_settle_is_not_left_late() -> None:
    device = make_polling()
    poll_at = LATE + seconds(1)
    with held_open(lambda: connectivity.settle(LATE)):
        poll = in_background(lambda: connectivity.record_heartbeats([device.pk], poll_at))
    poll.join(WAIT)
    device.refresh_from_db()
    assert (device.heartbeat_state, device.heartbeat_changed_at) == ("recent", poll_at)
    assert shown(device, poll_at) == Status.HEARTBEAT_ONLY
    assert Heartbeat.objects.get().due_at == poll_at + seconds(15)
    assert edges(device) == ["recent", "late", "recent"]


@pytest.mark.parametrize("polls_first", [True, False])
def test_a_poll_and_the_moving_of_its_deadline_leave_the_window_of_the_poll(*, polls_first: bool) -> None:
    device = make_polling()
    outages.record_liveness(T0)
    each: list[Callable[[], object]] = [
        lambda: connectivity.record_heartbeats([device.pk], T0 + seconds(61)),
        lambda: outages.record_liveness(T0 + seconds(60)),
    ]
    first, second = each if polls_first else each[::-1]
    with held_open(first):
        waiting = in_background(second)
    waiting.join(WAIT)
    assert Heartbeat.objects.get().due_at == T0 + seconds(61 + 15)
    assert edges(device) == ["recent"]


def test_settle_that_waited_for_a_poll_reads_the_deadline_again() -> None:
    device = make_polling()
    poll_at = LATE - seconds(1)
    with held_open(lambda: connectivity.record_heartbeats([device.pk], poll_at)):
        settle = in_background(lambda: connectivity.settle(LATE))
    settle.join(WAIT)
    device.refresh_from_db()
    assert (device.heartbeat_state, device.heartbeat_changed_at) == ("recent", T0)
    assert edges(device) == ["recent"]


def edges(device: Device) -> list[str]:
    records = ConnectivityRecord.objects.filter(device=device, link="heartbeat").order_by("id")
    return list(records.values_list("after", flat=True))


def test_a_lease_renewed_while_settle_waits_loses_nobody() -> None:
    device = make_polling()
    connectivity.vpn_alive("vpn-1", at=T0)
    connectivity.vpn_connected("vpn-1", [device.uuid], T0)
    with held_open(lambda: connectivity.vpn_alive("vpn-1", at=T0 + seconds(59))):
        settle = in_background(lambda: connectivity.settle(T0 + seconds(60)))
    settle.join(WAIT)
    device.refresh_from_db()
    assert (device.vpn_connected, device.vpn_changed_at) == (True, T0)


def test_deactivation_that_waited_for_a_poll_is_refused() -> None:
    device = make_polling()
    at = T0 + seconds(60)
    connectivity.settle(at)
    refused: list[Exception] = []

    def deactivate() -> None:
        try:
            lifecycle.deactivate(device=device, actor=None, at=at)
        except lifecycle.StillConnected as error:
            refused.append(error)

    with held_open(lambda: connectivity.record_heartbeats([device.pk], at)):
        waiting = in_background(deactivate)
    waiting.join(WAIT)
    assert [str(error) for error in refused] == [
        f"{device} cannot be deactivated. The API heartbeat is on time."
    ]
    assert shown(device, at) == Status.HEARTBEAT_ONLY


def test_a_poll_that_waited_for_a_deactivation_reactivates() -> None:
    device = make_polling()
    at = T0 + seconds(60)
    with held_open(lambda: lifecycle.deactivate(device=device, actor=None, at=at)):
        poll = in_background(lambda: connectivity.record_heartbeats([device.pk], at + seconds(1)))
    poll.join(WAIT)
    device.refresh_from_db()
    assert (device.is_active, device.activated_at) == (True, at + seconds(1))
    assert shown(device, at + seconds(1)) == Status.HEARTBEAT_ONLY


def test_polls_events_and_settle_in_parallel_leave_one_consistent_history() -> None:
    fleet = make_fleet(poll_interval=10)
    devices = [make_device(fleet) for _ in range(12)]
    ids, uuids = [device.pk for device in devices], [device.uuid for device in devices]
    failures: list[BaseException] = []

    def live(turn: int) -> None:
        try:
            for step in range(12):
                at = T0 + seconds(step * 9 + turn / 10)
                works: list[Callable[[], int]] = [
                    partial(connectivity.record_heartbeats, ids[turn:] + ids[:turn], at),
                    partial(connectivity.vpn_connected, f"vpn-{turn % 2}", uuids[::-1], at),
                    partial(connectivity.vpn_alive, f"vpn-{turn % 2}", uuids[::2], at),
                    partial(connectivity.settle, at),
                ]
                # As the ingest calls them: a lease that ends between look and lock may cost a second try.
                in_database(works[(turn + step) % 4])
        except BaseException as error:  # noqa: BLE001
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=live, args=[turn]) for turn in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures
    at = T0 + seconds(1000)
    connectivity.settle(at)
    for device in with_status(Device.objects.all(), at):
        assert device.status == device.recorded_status == Status.OFFLINE or device.vpn
        changes = list(StatusChange.objects.filter(device=device).order_by("at", "id"))
        assert changes[-1].after == device.status
        assert changes == sorted(changes, key=lambda change: change.pk)
        for link in ("vpn", "heartbeat"):
            records = list(ConnectivityRecord.objects.filter(device=device, link=link).order_by("id"))
            assert all(one.after == then.before for one, then in pairwise(records))
            assert all(one.at <= then.at for one, then in pairwise(records))
