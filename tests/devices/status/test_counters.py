"""The counters that the triggers keep: whatever happens to devices, they say what a recount would."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import pytest
from django.db import connections, transaction
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from devices import clock, connectivity, freezing
from devices.ingest.database import in_database
from devices.integrity.counters import wrong
from devices.models import Device, FleetCount, StatusChange
from devices.models.device import DeviceQuerySet
from devices.operations import lifecycle, reports
from devices.rules.vocabulary import Status
from devices.status import counters
from devices.status.counts import count_attention, count_attention_by_fleet, count_by_fleet, count_by_status
from devices.status.reading import with_status
from fleets.models import Fleet, Organization, Plan
from fleets.services import fleets
from tests.at_once import WAIT, held_open
from tests.examples import examples
from tests.factories import T0, make_device, make_fleet, make_organization, seconds

pytestmark = pytest.mark.django_db


@dataclass(frozen=True)
class Event:
    kind: str
    device: int
    fleet: int
    number: int
    step: float


@dataclass(frozen=True)
class OwnOrganization:
    """Where an event happens: to these devices, of which `device` is one, and to this fleet."""

    devices: list[Device]
    device: Device
    fleet: Fleet

    @property
    def organization(self) -> Organization:
        return self.fleet.organization


# What happens, through the services that do it: what is impossible is refused and changes nothing.
HAPPENINGS: dict[str, Callable[[OwnOrganization, int, datetime], object]] = {
    "poll": lambda p, n, at: connectivity.record_heartbeats([each.pk for each in p.devices[: n + 1]], at),
    "connect": lambda p, n, at: connectivity.vpn_connected("vpn-1", [p.device.uuid], at),
    "disconnect": lambda p, n, at: connectivity.vpn_disconnected("vpn-1", [p.device.uuid], at),
    "report": lambda p, n, at: reports.apply_reports([(p.device.pk, {"update_progress": n or None})], at),
    "register": lambda p, n, at: lifecycle.register(fleet=p.fleet, at=at),
    "preregister": lambda p, n, at: lifecycle.preregister(fleet=p.fleet, actor=None, at=at),
    "deactivate": lambda p, n, at: lifecycle.deactivate(device=p.device, actor=None, at=at),
    "move": lambda p, n, at: lifecycle.move(device=p.device, fleet=p.fleet, actor=None, at=at),
    "delete": lambda p, n, at: lifecycle.delete(device=p.device, actor=None, at=at),
    "plan": lambda p, n, at: freezing.change_plan(
        organization=p.organization, actor=None, plan=Plan.FREE, allowance=n, unpaid=n == 50, at=at
    ),
    "settle": lambda p, n, at: connectivity.settle(at),
    "fold": lambda p, n, at: counters.fold(),
    "new fleet": lambda p, n, at: make_fleet(p.organization, poll_interval=10),
    "delete a fleet": lambda p, n, at: fleets.delete(fleet=p.fleet, actor=None, at=at),
}
KINDS = [*HAPPENINGS, "poll", "poll", "connect", "move", "settle"]
events = st.builds(
    Event,
    kind=st.sampled_from(KINDS),
    device=st.integers(0, 5),
    fleet=st.integers(0, 2),
    number=st.sampled_from([0, 1, 2, 50]),
    step=st.sampled_from([0, 1, 15, 16, 31, 60, 1900]),
)


def happen(event: Event, organization: Organization, at: datetime) -> None:
    devices = list(Device.objects.filter(organization=organization).order_by("pk"))
    there = list(Fleet.objects.filter(organization=organization).order_by("pk"))
    fleet = there[event.fleet % len(there)] if there else make_fleet(organization, poll_interval=10)
    device = devices[event.device % len(devices)] if devices else make_device(fleet)
    with suppress(lifecycle.StillConnected, fleets.HasDevices):
        HAPPENINGS[event.kind](OwnOrganization(devices, device, fleet), event.number, at)


def recounted(at: datetime) -> dict[int, dict[str, int]]:
    """Every device looked at, one by one."""
    found = Counter((device.fleet_id, device.status) for device in with_status(Device.objects.all(), at))
    return {
        fleet: {status: found[fleet, status] for status in Status.values}
        for fleet in {fleet for fleet, _ in found}
    }


def check(organization: Organization, at: datetime) -> None:
    ours, known = Device.objects.filter(organization=organization), clock.moment(at)
    assert wrong() == []
    by_fleet = recounted(at)
    assert count_by_fleet(ours, known) == by_fleet
    total = {status: sum(counts[status] for counts in by_fleet.values()) for status in Status.values}
    assert count_by_status(ours, at) == total
    attended = [device for device in with_status(ours, at) if device.attention]
    assert count_attention_by_fleet(ours, known) == Counter(device.fleet_id for device in attended)
    assert count_attention(ours, known) == len(attended)


def newest_changes() -> dict[int, datetime]:
    """Per fleet, as the history says."""
    rows = StatusChange.objects.order_by("fleet_id", "-at").distinct("fleet_id")
    return {change.fleet_id: change.at for change in rows}


@given(lives=st.lists(events, min_size=1, max_size=12))
@hypothesis_settings(max_examples=examples(20))
def test_after_any_life_the_counters_say_what_a_recount_says(lives: list[Event]) -> None:
    with transaction.atomic():
        organization, at = make_organization(), T0
        for number in range(2):
            make_device(make_fleet(organization, poll_interval=10, vpn_enabled=bool(number)))
        for event in lives:
            at += seconds(event.step)
            happen(event, organization, at)
            check(organization, at)
        check(organization, at + seconds(40))
        kept = FleetCount.objects.filter(fleet__in=Fleet.objects.all()).order_by("fleet_id", "-changed_at")
        dated = kept.exclude(changed_at=None).distinct("fleet_id")
        newest = newest_changes()
        assert {each.fleet_id: each.changed_at for each in dated} == {
            fleet.pk: newest[fleet.pk] for fleet in Fleet.objects.all() if fleet.pk in newest
        }
        transaction.set_rollback(True)


def test_folding_leaves_one_row_for_a_fleet_and_status_and_the_same_numbers() -> None:
    fleet = make_fleet()
    devices = [make_device(fleet) for _ in range(4)]
    connectivity.record_heartbeats([device.pk for device in devices[:3]], T0)
    devices[3].delete()
    before = count_by_fleet(Device.objects.all(), clock.moment(T0))
    assert counters.fold() == 2
    assert count_by_fleet(Device.objects.all(), clock.moment(T0)) == before
    kept = FleetCount.objects.order_by("status").values_list("fleet", "status", "number", "folded")
    assert list(kept) == [
        (fleet.pk, "heartbeat-only", 3, True),
        (fleet.pk, "post-provisioning", 0, True),
    ]
    assert counters.fold() == 0


def test_settle_folds() -> None:
    make_device()
    connectivity.settle(T0)
    assert not FleetCount.objects.filter(folded=False).exists()


def test_a_fleet_takes_its_counters_along() -> None:
    fleet = make_fleet()
    make_device(fleet).delete()
    fleets.delete(fleet=fleet, actor=None, at=T0)
    assert not FleetCount.objects.exists()


# What is chosen by fleet and organization alone is read from the counters; whatever else is asked, counted.
WHOLE: list[tuple[str, bool, Callable[[Fleet], DeviceQuerySet]]] = [
    ("everything", True, lambda fleet: Device.objects.all()),
    ("a fleet", True, lambda fleet: Device.objects.filter(fleet=fleet)),
    ("a fleet by id", True, lambda fleet: Device.objects.filter(fleet_id=fleet.pk)),
    ("fleets", True, lambda fleet: Device.objects.filter(fleet__in=[fleet])),
    ("a fleet's own", True, lambda fleet: fleet.devices.all()),
    (
        "fleets that a query finds",
        True,
        lambda f: Device.objects.filter(fleet__in=Fleet.objects.filter(pk=f.pk)),
    ),
    ("an organization", True, lambda fleet: Device.objects.filter(organization=fleet.organization)),
    ("all but a fleet", True, lambda fleet: Device.objects.exclude(fleet=fleet)),
    (
        "one or another",
        True,
        lambda f: Device.objects.filter(fleet=f) | Device.objects.filter(organization=f.organization_id),
    ),
    ("in order", True, lambda fleet: Device.objects.filter(fleet=fleet).order_by("name")),
    ("by name", False, lambda fleet: Device.objects.filter(fleet=fleet, name="a")),
    ("by the fleet's slug", False, lambda fleet: Device.objects.filter(fleet__slug=fleet.slug)),
    ("by fleets from some id on", False, lambda fleet: Device.objects.filter(fleet__gte=fleet.pk)),
    ("those that polled", False, lambda fleet: Device.objects.filter(fleet=fleet, poll__isnull=False)),
]


@pytest.mark.parametrize("settled", [False, True])
@pytest.mark.parametrize(("whole", "chosen"), [row[1:] for row in WHOLE], ids=[row[0] for row in WHOLE])
def test_counts_are_the_same_whether_kept_or_counted(
    *, whole: bool, chosen: Callable[[Fleet], DeviceQuerySet], settled: bool
) -> None:
    fleet, other = (make_fleet(poll_interval=10) for _ in range(2))
    made = [make_device(fleet, name=name) for name in "abc"] + [make_device(other)]
    connectivity.record_heartbeats([made[0].pk, made[3].pk], T0)
    at = T0 + seconds(31)  # lost by now
    if settled:
        connectivity.settle(at)
    devices = chosen(fleet)
    assert (counters.whole(devices) is not None) == whole
    expected = Counter(device.status for device in with_status(devices, at))
    assert count_by_status(devices, at) == {status: expected[status] for status in Status.values}


@pytest.mark.django_db(transaction=True)
def test_writers_of_one_fleet_do_not_wait_for_each_others_counters() -> None:
    fleet = make_fleet()
    one, two = make_device(fleet), make_device(fleet)
    with held_open(lambda: connectivity.record_heartbeats([one.pk], T0)):
        connectivity.record_heartbeats([two.pk], T0)  # the first has not committed
        assert count_by_status(Device.objects.all(), T0)[Status.HEARTBEAT_ONLY] == 1
    assert count_by_status(Device.objects.all(), T0)[Status.HEARTBEAT_ONLY] == 2


@pytest.mark.django_db(transaction=True)
def test_folding_waits_for_nobody_and_makes_nobody_wait() -> None:
    fleet = make_fleet()
    one, two = make_device(fleet), make_device(fleet)
    with held_open(counters.fold):
        connectivity.record_heartbeats([one.pk], T0)
        assert counters.fold() == 0  # somebody is at it
    with held_open(lambda: connectivity.record_heartbeats([two.pk], T0)):
        assert counters.fold() > 0
    assert wrong() == []


@pytest.mark.django_db(transaction=True)
def test_many_writers_movers_and_folders_at_once_lose_no_device() -> None:
    fleet, other = (make_fleet(poll_interval=10) for _ in range(2))
    Fleet.objects.filter(pk=other.pk).update(organization=fleet.organization)
    other.refresh_from_db()
    devices = [make_device(fleet) for _ in range(8)]
    failures: list[BaseException] = []

    def live(turn: int) -> None:
        try:
            for step in range(10):
                at, device = T0 + seconds(step * 9 + turn / 10), devices[(turn * 3 + step) % 8]
                works: list[Callable[[], object]] = [
                    partial(connectivity.record_heartbeats, [each.pk for each in devices], at),
                    partial(connectivity.settle, at),
                    partial(lifecycle.move, device=device, fleet=(fleet, other)[step % 2], actor=None, at=at),
                    counters.fold,
                ]
                in_database(works[(turn + step) % 4])
        except BaseException as error:  # noqa: BLE001  told to the test's own thread
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=live, args=[turn]) for turn in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(6 * WAIT)
    assert not failures
    assert wrong() == []
    counters.fold()
    assert wrong() == []
    at = T0 + seconds(1000)
    assert count_by_fleet(Device.objects.all(), clock.moment(at)) == recounted(at)
