"""What a liveness sign runs first is what a poll would run."""

from __future__ import annotations

import pytest
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from devices import clock, connectivity, keys
from devices.connectivity import heartbeats
from tests.at_once import held_open
from tests.factories import T0

pytestmark = pytest.mark.django_db


def test_its_statements_are_those_of_a_poll(settings: Settings) -> None:
    settings.PREPARED_STATEMENTS = False  # so that they are seen whole
    at = clock.listened(T0)
    with CaptureQueriesContext(connection) as poll:
        clock.moment(T0)
        keys.find_devices([], T0)
        connectivity.record_heartbeats([], at)
    with CaptureQueriesContext(connection) as rehearsed:
        heartbeats.rehearse(T0)
    assert rehearsed[0]["sql"] == ";".join(each["sql"] for each in poll)
    assert len(rehearsed) == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("table", ["devices_heartbeat", "devices_device", "devices_apikey", "devices_outage"])
def test_it_waits_for_what_a_poll_waits_for(table: str) -> None:
    def lock() -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"LOCK TABLE {table}")

    @transaction.atomic
    def rehearse() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '50ms'")
        heartbeats.rehearse(T0)

    with held_open(lock), pytest.raises(OperationalError, match="lock timeout"):
        rehearse()
