"""Devices that configure or update, in order, whether few or many of them have stalled."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from devices.clock import listened
from devices.listing import in_order, index_scan
from devices.listing.filters import Filters, in_organizations
from devices.listing.reading import Reading, whole
from devices.models import Device, Heartbeat
from devices.status import counts
from devices.status.reading import moved_ids
from fleets.models import Organization
from tests.factories import T0, make_fleet, make_uuid, seconds

pytestmark = pytest.mark.django_db

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
AT = listened(T0 + HOUR)


def updating(number: int, stalled: int, ago: timedelta = MINUTE) -> Organization:
    """So many devices that update, since one after the other; of these the oldest have stalled.

    Of the others every second progressed so long `ago`.
    """
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
            progress_changed_at=T0 if place < stalled else AT.at - ago if place % 2 else None,
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
@pytest.mark.parametrize("looked_at", [1, 80], ids=["few looked at", "all looked at"])
@pytest.mark.parametrize("ago", [MINUTE, 29 * MINUTE], ids=["long before they stall", "soon to stall"])
@pytest.mark.parametrize("stalled", [0, 3, 6, 9])
def test_pages_have_all_of_them_in_order(
    monkeypatch: pytest.MonkeyPatch, sort: str, seldom: int, looked_at: int, ago: timedelta, stalled: int
) -> None:
    monkeypatch.setattr(index_scan, "SELDOM", seldom)
    monkeypatch.setattr(in_order, "LOOKED_AT", looked_at)
    organization = updating(9, stalled, ago)
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


@pytest.mark.parametrize("few", [0, 5000], ids=["many stalled", "few stalled"])
@pytest.mark.parametrize("moved", [(), (0, 8), (1, 3, 8)], ids=str)
@pytest.mark.parametrize("stalled", [0, 3, 9])
def test_stalled_devices_are_counted_by_fleet_from_either_side(
    monkeypatch: pytest.MonkeyPatch, stalled: int, moved: tuple[int, ...], few: int
) -> None:
    """Also where some moved: their heartbeat was lost meanwhile, so that they are Offline."""
    monkeypatch.setattr(counts, "FEW", few)
    organization, other = updating(9, stalled), updating(4, 4)
    devices = [*Device.objects.filter(organization=organization).order_by("created_at")]
    lost = [devices[place].pk for place in moved]
    Heartbeat.objects.filter(pk__in=lost).update(
        late_at=T0 + 2 * MINUTE, lost_at=T0 + 3 * MINUTE, due_at=T0 + 2 * MINUTE, last_poll_at=T0
    )
    ids = [*moved_ids(AT)]
    assert set(ids) == set(lost)
    (fleet,), (another,) = ([*each.fleets.values_list("pk", flat=True)] for each in (organization, other))
    left = sum(place not in moved for place in range(stalled))
    expected = {fleet: left} if left else {}
    assert counts.count_stalled(in_organizations([organization]), AT, ids) == expected
    assert counts.count_stalled(in_organizations([organization, other]), AT, ids) == expected | {another: 4}
