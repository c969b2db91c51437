"""Two machines with pages and calls behind HAProxy are restarted one after the other: no call fails.

HAProxy runs with the sample of contrib/front; the processes and the database are real ones in a network of
the test's own, and 100 devices poll through it.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from tests.system import network, postgres
from tests.system.front import KINDS, Processes, haproxy
from tests.system.network import Machine
from tests.system.postgres import Server, home, until
from tests.system.site import Site, everything_is_there, went_offline

pytestmark = pytest.mark.system

WHY_NOT: Final = network.WHY_NOT or postgres.WHY_NOT


@pytest.fixture
def machines() -> Iterator[list[Machine]]:
    if WHY_NOT and not os.environ.get("REQUIRE_SYSTEM"):
        pytest.skip(WHY_NOT)
    assert not WHY_NOT, f"REQUIRE_SYSTEM is set, but: {WHY_NOT}"
    with network.network(["database", "one", "two", "front"]) as machines:
        yield machines


def test_no_call_fails_while_the_machines_are_restarted_one_by_one(machines: list[Machine]) -> None:
    database, *behind, before = machines
    with tempfile.TemporaryDirectory(prefix="lookout-system-") as name, ExitStack() as stack:
        place = Path(name)
        place.chmod(0o711)
        server = Server(home(place / "database"), database)
        (state := place / "state").mkdir()
        server.make()
        stack.enter_context(server.running("listen_addresses=*"))
        site = Site(state, before, f"postgresql://lookout@{database.address}/lookout")
        replace(site, database=server.url("lookout")).make(server.url("lookout_owner"))
        both = [Processes(replace(site, machine=machine), stack) for machine in behind]
        for each in both:
            each.start()
        front = stack.enter_context(haproxy(place, before, behind))
        with site.devices(f"https://{before.address}"), front.looking():
            for each in both:
                ups = front.ups()
                each.stop()
                each.start()
                until(lambda ups=ups: front.ups() >= ups + len(KINDS))  # type: ignore[misc]
            site.everybody_polls_again()
        assert site.failed() == []
        assert set(front.statuses) == {"302"}  # there is no account yet: to the page that makes the first one
        assert went_offline(server) == []
        assert server.ask("SELECT count(*) FROM devices_outage") == [(0,)]
        assert everything_is_there(server, site.acknowledged())
