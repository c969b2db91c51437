"""The hourly counts of every fleet say what its devices were at that instant, and follow from the changes."""

from __future__ import annotations

from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from devices import clock, connectivity
from devices.connectivity import outages
from devices.history import retention, rollups
from devices.integrity.checks import disagreements
from devices.models import Device, FleetTally
from devices.operations import lifecycle
from devices.rules.vocabulary import Status
from devices.status.counts import count_by_fleet
from fleets.models import Fleet, Organization
from tests.factories import T0, make_device, make_fleet, make_organization, seconds

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


def counts_at(at: datetime, whose: Fleet | None = None) -> dict[str, int]:
    """The counts by status of a fleet's rollup, without zeros; of the organization if no fleet is given."""
    counts = FleetTally.objects.get(at=at, fleet=whose).counts
    return {status: n for status, n in zip(Status.values, counts, strict=True) if n}


@pytest.fixture
def fleet() -> Fleet:
    return make_fleet(poll_interval=10)


@pytest.fixture
def device(fleet: Fleet) -> Device:
    """Registered at T0, online for a while after an hour and a half, and lost since."""
    device = make_device(fleet)
    connectivity.record_heartbeats([device.pk], T0 + 1.5 * HOUR)
    connectivity.settle(T0 + 2 * HOUR)
    return device


def test_each_full_hour_says_what_the_devices_were_at_that_instant(fleet: Fleet, device: Device) -> None:
    connectivity.record_heartbeats([device.pk], T0 + 3 * HOUR)  # exactly at the hour: it is so from then on
    connectivity.settle(T0 + 3.5 * HOUR)
    assert rollups.keep(T0 + 4 * HOUR + rollups.MARGIN) == 5
    said = [counts_at(T0 + hours * HOUR, fleet) for hours in range(5)]
    assert said == [
        {"post-provisioning": 1},
        {"post-provisioning": 1},
        {"offline": 1},
        {"heartbeat-only": 1},
        {"offline": 1},
    ]
    assert said == [counts_at(T0 + hours * HOUR) for hours in range(5)]
    assert list(rollups.wrong()) == []


def test_an_hour_is_written_once_its_changes_are_certain(device: Device) -> None:
    assert rollups.keep(T0 + 2 * HOUR) == 2  # the clock and one hour: the second is still on its way
    assert rollups.keep(T0 + 2 * HOUR + rollups.MARGIN) == 2
    assert rollups.keep(T0 + 2 * HOUR + rollups.MARGIN) == 0
    outages.record_liveness(T0 + 3 * HOUR)
    assert rollups.certain(clock.moment(T0 + 9 * HOUR)) == T0 + 2 * HOUR  # an outage may have begun


def test_a_change_that_was_committed_late_is_met_with_the_next_hour(fleet: Fleet, device: Device) -> None:
    rollups.keep(T0 + 3.5 * HOUR)
    lifecycle.move(device=device, fleet=make_fleet(fleet.organization), actor=None, at=T0 + 2.5 * HOUR)
    assert counts_at(T0 + 3 * HOUR, fleet) == {"offline": 1}
    rollups.keep(T0 + 4.5 * HOUR)
    assert not FleetTally.objects.filter(fleet=fleet, at__gt=T0 + 2.5 * HOUR).exists()
    assert counts_at(T0 + 3 * HOUR) == {"offline": 1}
    assert list(rollups.wrong()) == []


def test_moved_and_deleted_devices_are_counted_where_they_were(fleet: Fleet, device: Device) -> None:
    other = make_fleet(fleet.organization)
    lifecycle.move(device=device, fleet=other, actor=None, at=T0 + 2.5 * HOUR)
    lifecycle.delete(device=device, actor=None, at=T0 + 3.5 * HOUR)
    rollups.keep(T0 + 4.5 * HOUR)
    assert counts_at(T0 + 2 * HOUR, fleet) == {"offline": 1}
    assert counts_at(T0 + 3 * HOUR, other) == {"offline": 1}
    assert counts_at(T0 + 4 * HOUR) == {}
    assert set(FleetTally.objects.filter(at=T0 + 4 * HOUR).values_list("fleet", flat=True)) == {None}


def test_they_can_be_made_anew_at_any_time(fleet: Fleet, device: Device) -> None:
    for hours in range(3, 40, 7):
        connectivity.record_heartbeats([device.pk], T0 + hours * HOUR)
    connectivity.settle(T0 + 60 * HOUR)
    for hours in (2, 9, 58):
        rollups.keep(T0 + hours * HOUR + rollups.MARGIN)
    kept = list(FleetTally.objects.order_by("at", "fleet").values_list("at", "fleet", "counts"))
    FleetTally.objects.filter(at__gt=T0 + 5 * HOUR).update(counts=[7] * 9)
    assert {each.what for each in disagreements(T0 + 60 * HOUR)} == {"the rollup of an hour"}
    assert rollups.rebuild(T0 + 58 * HOUR + rollups.MARGIN) == 59
    assert kept == list(FleetTally.objects.order_by("at", "fleet").values_list("at", "fleet", "counts"))


def test_the_console_makes_them_anew(device: Device) -> None:
    said = StringIO()
    call_command("tally", rebuild=True, stdout=said)
    assert int(said.getvalue().split()[0]) == FleetTally.objects.filter(fleet=None).count() > 0


def test_after_the_months_that_were_dropped_they_begin_with_what_was_true_then(
    fleet: Fleet,
) -> None:
    retention.make_ahead(T0)
    device = make_device(fleet)
    connectivity.record_heartbeats([device.pk], T0)
    connectivity.settle(T0 + HOUR)
    now = T0 + timedelta(days=200)
    rollups.keep(T0 + 5 * HOUR)
    retention.keep(now)
    assert not FleetTally.objects.exists()
    cut = retention.cut_at(now)
    rollups.keep(cut + 3 * HOUR)
    assert counts_at(cut, fleet) == {"offline": 1}
    assert FleetTally.objects.filter(fleet=fleet).count() == 3
    assert list(rollups.wrong()) == []


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE devices_fleettally SET counts[1] = counts[1] + 1 WHERE fleet_id IS NULL AND at = %(hour)s",
        "DELETE FROM devices_fleettally WHERE fleet_id IS NOT NULL AND at = %(hour)s",
    ],
)
def test_damage_is_found_and_named(device: Device, damage: str) -> None:
    rollups.keep(T0 + 2.5 * HOUR)
    with connection.cursor() as cursor:
        cursor.execute(damage, {"hour": T0 + 2 * HOUR})
    found: list[Any] = list(disagreements(T0 + 3 * HOUR))
    assert [each.what for each in found] == ["the rollup of an hour"]
    assert str(T0 + 2 * HOUR) in found[0].where


def test_an_organization_lacks_no_hour_of_before_it_was_created(device: Device) -> None:
    rollups.keep(T0 + 8.5 * HOUR)
    made = Organization.objects.filter(pk=make_organization().pk)
    made.update(created_at=T0 + 8.6 * HOUR)
    assert list(disagreements(T0 + 8.7 * HOUR)) == []
    rollups.keep(T0 + 9.5 * HOUR)
    assert list(disagreements(T0 + 9.6 * HOUR)) == []
    made.update(created_at=T0)
    assert {each.what for each in disagreements(T0 + 9.6 * HOUR)} == {"the rollup of an hour"}


def test_a_site_without_devices_has_none() -> None:
    assert rollups.keep(T0) == 0
    make_fleet()
    assert rollups.keep(T0) == 0


def test_they_are_of_every_organization(device: Device) -> None:
    other = make_device(make_fleet(), created_at=T0 + seconds(1))
    rollups.keep(T0 + 2 * HOUR + rollups.MARGIN)
    assert counts_at(T0 + 2 * HOUR, other.fleet) == {"post-provisioning": 1}
    now = count_by_fleet(Device.objects.all(), clock.moment(T0 + 2 * HOUR))
    for fleet in (device.fleet, other.fleet):
        assert counts_at(T0 + 2 * HOUR, fleet) == {slug: n for slug, n in now[fleet.pk].items() if n}
