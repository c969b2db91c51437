"""The ingest's connections are its own, where one process serves pages too."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Barrier
from typing import Any

import pytest
from django.db import connection, connections

from devices.ingest.database import POOLS, threads


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One connection for pages."""
    here: Any = connections["default"]
    monkeypatch.setitem(here.settings_dict["OPTIONS"], "pool", {"min_size": 0, "max_size": 1, "timeout": 10})
    monkeypatch.setattr(type(here), "_connection_pools", {})
    yield
    for pool in POOLS.values():
        pool.close()
    POOLS.clear()


@pytest.mark.usefixtures("small")
def test_no_page_takes_a_connection_of_the_ingest() -> None:
    def pool() -> Any:
        """The one that this thread takes connections from."""
        here: Any = connections["default"]
        return here.pool

    with threads(2, "of-the-ingest") as ingest, threads(1, "of-the-ingest-too") as other:
        pools = [executor.submit(pool).result() for executor in (ingest, ingest, other)]
    assert pools[0] is pools[1] is pools[2] is POOLS["default"]
    assert pool() is not pools[0]


@pytest.mark.django_db
@pytest.mark.usefixtures("small")
def test_each_thread_of_the_ingest_has_one_however_few_are_for_pages() -> None:
    at_once = Barrier(3)

    def ask() -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            (session,) = cursor.fetchone()
            at_once.wait(60)
        connection.close()
        return int(session)

    with threads(2, "calls") as calls, threads(1, "liveness") as liveness:
        asked = [calls.submit(ask), calls.submit(ask), liveness.submit(ask)]
        assert len({each.result() for each in asked}) == 3
