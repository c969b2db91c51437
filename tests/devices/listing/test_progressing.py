"""Devices that configure or update, in order, whether few or many of them have stalled."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from devices.clock import listened
from devices.listing import index_scan
from devices.listing.filters import Filters
from devices.listing.reading import Reading, whole
from devices.models import Device, Heartbeat
from fleets.models import Organization
from tests.factories import T0, make_fleet, make_uuid, seconds

pytestmark = pytest.mark.django_db

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
AT = listened(T0 + HOUR)


def updating(number: int, stalled: int) -> Organization:
    """So many devices that update, since one after the other; of these the oldest have stalled."""
    fleet = make_fleet()
    devices = [
        Device(
            organization=fleet.organization,
            fleet=fleet,
            uuid=make_uuid(),
            created_at=T0 + seconds(place),
            is_active=True,
            activated_at=T0,
            heartbeat_state="recent",
            update_progress=40,
            progress_changed_at=T0 if place < stalled else AT.at - MINUTE if place % 2 else None,
        )
        for place in range(number)
    ]
    polls = [
        Heartbeat(
            device=device,
            organization=fleet.organization,
            last_poll_at=AT.at,
            poll_interval=900,
            late_at=AT.at + HOUR,
            lost_at=AT.at + 2 * HOUR,
            due_at=AT.at + HOUR,
        )
        for device in Device.objects.bulk_create(devices)
    ]
    Heartbeat.objects.bulk_create(polls)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE devices_device, devices_heartbeat")
    return fleet.organization


@pytest.mark.parametrize("sort", ["attention", "-attention"])
@pytest.mark.parametrize("seldom", [0, 4, 100], ids=["none few", "one few", "both few"])
@pytest.mark.parametrize("stalled", [0, 3, 6, 9])
def test_pages_have_all_of_them_in_order(
    monkeypatch: pytest.MonkeyPatch, sort: str, seldom: int, stalled: int
) -> None:
    monkeypatch.setattr(index_scan, "SELDOM", seldom)
    organization = updating(9, stalled)
    reading = Reading([organization], Filters(), sort, AT)
    found, values = list[str](), None
    while page := reading.take(reading.order, 2, values):
        assert {device.status for device in page} == {"updating"}
        found += [device.uuid for device in page]
        values = [page[-1].rank, page[-1].status_since, page[-1].pk]
    assert found == [device.uuid for device in whole([organization], Filters(), reading.order, AT)]
    assert len(found) == 9


@pytest.mark.thorough
@pytest.mark.parametrize("stalled", [0, 3, 997, 1000])
def test_a_page_looks_at_few_devices_whether_many_have_stalled_or_few(
    monkeypatch: pytest.MonkeyPatch, stalled: int
) -> None:
    monkeypatch.setattr(index_scan, "SELDOM", 10)
    organization = updating(1000, stalled)
    for sort in ("attention", "-attention"):
        reading = Reading([organization], Filters(), sort, AT)
        with CaptureQueriesContext(connection) as queries:
            assert len(reading.take(reading.order, 5, None)) == 5
        assert max(map(looked_at, (query["sql"] for query in queries))) < 200


def looked_at(query: str) -> int:
    """How many rows its scans read, those that a filter drops included."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}")
        (found,) = cursor.fetchone()
    return rows_read((json.loads(found) if isinstance(found, str) else found)[0]["Plan"])


def rows_read(plan: dict[str, Any]) -> int:
    """Of this step and those below it: rows, not pages, since dead rows of other tests may fill these."""
    below = sum(map(rows_read, plan.get("Plans", [])))
    if "Relation Name" not in plan:
        return below
    kept_and_dropped = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
    return below + int(kept_and_dropped * plan["Actual Loops"])
