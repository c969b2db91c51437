"""How many devices have each status."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries

from devices import clock, connectivity
from devices.models import Device
from devices.rules.vocabulary import Status
from devices.status.counts import count_by_status
from devices.status.reading import filter_by_status, with_status
from tests.devices.status.polled import (
    LOST,
)
from tests.factories import T0, make_device, make_fleet, seconds

pytestmark = pytest.mark.django_db


def test_counts_have_all_nine_keys_in_display_order() -> None:
    assert list(count_by_status(Device.objects.all(), T0).items()) == [(slug, 0) for slug in Status.values]


@pytest.mark.parametrize("number", [1, 30])
def test_queries_do_not_grow_with_devices(
    number: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    fleet = make_fleet()
    connectivity.record_heartbeats([make_device(fleet).pk for _ in range(number)], T0)
    at = clock.moment(T0 + seconds(LOST))
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


@pytest.mark.thorough
@pytest.mark.django_db(transaction=True)
def test_counts_and_filters_of_a_fleet_use_its_status_index() -> None:
    fleets = [make_fleet() for _ in range(40)]
    Device.objects.bulk_create(
        Device(fleet=fleets[number % 40], uuid=f"{number:032x}", is_active=number % 10 > 0)
        for number in range(4000)
    )
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE devices_device")
    devices, at = Device.objects.filter(fleet=fleets[0]), clock.moment(T0)
    with CaptureQueriesContext(connection) as queries:
        count_by_status(devices.exclude(recorded_status="frozen"), at)  # not whole: no counter knows
        list(filter_by_status(devices, [Status.OFFLINE], at))
    counts, rows = (plan(query["sql"]) for query in queries)
    assert "Index Only Scan using device_fleet_status" in counts
    assert "device_fleet_status" in rows
    for each in (counts, rows):
        assert "Seq Scan on devices_device" not in each
