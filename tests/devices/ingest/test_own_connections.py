"""The ingest's connections are its own, where one process serves pages too."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connections

from devices.ingest.database import POOLS, threads


def test_no_page_takes_a_connection_of_the_ingest(monkeypatch: pytest.MonkeyPatch) -> None:
    def pool() -> Any:
        """The one that this thread takes connections from."""
        here: Any = connections["default"]
        return here.pool

    here = connections["default"]
    monkeypatch.setitem(here.settings_dict["OPTIONS"], "pool", {"min_size": 0, "max_size": 1})
    monkeypatch.setattr(type(here), "_connection_pools", {})
    with threads(2, "of-the-ingest") as ingest, threads(1, "of-the-ingest-too") as other:
        pools = [executor.submit(pool).result() for executor in (ingest, ingest, other)]
    page = pool()
    try:
        assert pools[0] is pools[1] is pools[2] is POOLS["default"]
        assert page is not pools[0]
    finally:
        POOLS.clear()
