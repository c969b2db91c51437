"""Many devices: how often the source is asked, how much memory that takes, and a sweep that is killed."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest
from django.db import connection

from devices.integrity.checks import disagreements
from devices.models import Device, Source
from devices.sources import queries
from devices.sources.sweep import sweep
from tests.devices.sources.api import BalenaApi
from tests.devices.sources.swept import swept
from tests.worker import a_worker, wait_until


def multiply(api: BalenaApi, number: int) -> None:
    """Have the server so many devices, alike but for their ids and UUIDs."""
    first = api.devices
    api.devices = [
        first[index % len(first)] | {"id": index + 1, "uuid": f"{index:032x}"} for index in range(number)
    ]


def test_pages_are_read_once_each(api: BalenaApi, source: Source) -> None:
    multiply(api, 500)
    swept(source)
    assert Device.objects.count() == 500
    asked = [
        path for path in api.asked if "/v7/device?" in path and f"$top={queries.PER_PAGE['device']}" in path
    ]
    assert len(asked) == 6  # five of 100, and none


@pytest.mark.thorough
def test_devices_take_little_memory(api: BalenaApi, source: Source) -> None:
    """Less than 6 kB of each, with what the server of this test takes: 10,000 take less than 60 MB."""
    multiply(api, 2000)
    swept(source)
    tracemalloc.start()
    try:
        swept(source, 600)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 2000 * 6_000


def test_sweep_that_changes_nothing_writes_no_device(
    api: BalenaApi, source: Source, django_assert_max_num_queries: Any
) -> None:
    multiply(api, 300)
    swept(source)
    with django_assert_max_num_queries(12):
        swept(source, 60)


@pytest.mark.thorough
@pytest.mark.django_db(transaction=True)
def test_sweep_that_is_killed_while_it_writes_is_finished_by_the_next(api: BalenaApi, source: Source) -> None:
    multiply(api, 3000)
    connection.commit()
    with a_worker("manage.py", "balena", "sweep") as process:
        wait_until(Device.objects.exists)
        process.kill()
        process.wait()
    assert Device.objects.count() > 0
    source.refresh_from_db()
    assert source.swept_at is None
    assert sweep(source).error == ""
    assert Device.objects.count() == 3000
    assert list(disagreements()) == []
