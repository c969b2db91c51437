"""The database goes away under a site with devices: whose absence it is, and what stays of it.

PostgreSQL 15 on machines of a network of the test's own, real processes of the site, devices that poll every
ten seconds.
"""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from tests.system import network, postgres
from tests.system.network import Machine, run
from tests.system.postgres import Server, disk, filled, home, quorum, until
from tests.system.site import Site, everything_is_there, went_offline

pytestmark = pytest.mark.system

WHY_NOT = network.WHY_NOT or postgres.WHY_NOT
OPEN = "SELECT statement_timestamp() - pulse_at > interval '10 s' FROM devices_listening"
OUTAGES = """
SELECT EXTRACT(epoch FROM began_at)::float8, EXTRACT(epoch FROM ended_at)::float8
FROM devices_outage ORDER BY began_at
"""
ALL_WOULD_BE_LOST = "SELECT max(lost_at) < statement_timestamp() FROM devices_heartbeat"
SOME_WOULD_BE_LOST = "SELECT min(lost_at) < statement_timestamp() FROM devices_heartbeat"


@pytest.fixture(scope="module")
def machines() -> Iterator[list[Machine]]:
    if WHY_NOT and not os.environ.get("REQUIRE_SYSTEM"):
        pytest.skip(WHY_NOT)
    assert not WHY_NOT, f"REQUIRE_SYSTEM is set, but: {WHY_NOT}"
    with network.network(["primary", "standby", "site"]) as machines:
        yield machines


@pytest.fixture(scope="module")
def prepared(machines: list[Machine]) -> Iterator[Site]:
    """A primary that is down, with the tables and the devices, beside the site's state."""
    with tempfile.TemporaryDirectory(prefix="lookout-system-") as place:
        here = Path(place)
        here.chmod(0o711)
        server = Server(home(here / "prepared"), machines[0])
        (state := here / "state").mkdir()
        server.make()
        site = Site(state, machines[2], server.url("lookout"))
        with server.running():
            site.make(server.url("lookout_owner"))
        yield site


@pytest.fixture
def primary(prepared: Site, machines: list[Machine]) -> Iterator[Server]:
    """A copy of the prepared one, up; it has no standby to wait for."""
    server = copied(prepared, machines[0])
    with server.running("listen_addresses=*"):
        yield server


def copied(prepared: Site, machine: Machine) -> Server:
    number = len(list(prepared.state.parent.iterdir()))
    place = home(prepared.state.parent / f"server-{number}")
    run("cp", "-a", str(prepared.state.parent / "prepared" / "data"), str(place))
    return Server(place, machine)


def site_of(prepared: Site, *servers: Server) -> Site:
    (prepared.state / "told").unlink(missing_ok=True)
    hosts = ",".join(server.machine.address for server in servers)
    return replace(prepared, database=f"postgresql://lookout@{hosts}/lookout?target_session_attrs=read-write")


def test_a_pulled_cable_of_the_primary_loses_no_heartbeat_and_makes_no_device_offline(
    prepared: Site, machines: list[Machine]
) -> None:
    primary = copied(prepared, machines[0])
    standby = Server(home(primary.home.parent / "standby"), machines[1])
    with quorum(primary, standby):
        site = site_of(prepared, primary, standby)
        with (
            site.ingest(),
            site.process("manage.py", "settle", "--watch"),
            site.devices(),
            machines[0].cable_can_be_pulled() as pull,
        ):
            pull_and_promote(site, pull, standby)
            site.everybody_polls_again()
            until(lambda: standby.ask(OUTAGES))
            site.everybody_polls_again()
            assert went_offline(standby) == []
            with site.process("manage.py", "settle") as command:  # the first of its hosts is still gone
                assert command.wait(60) == 0
        assert everything_is_there(standby, site.acknowledged())


def pull_and_promote(site: Site, pull: Callable[[], None], standby: Server) -> None:
    pull()
    pulled = time.time()
    until(lambda: time.time() - max(pulled, site.last_told()) > 11)  # longer than we are patient
    before = site.acknowledged()
    until(lambda: everything_is_there(standby, before))  # replayed
    standby.ask("SELECT pg_promote()")
    promoted = time.time()
    until(lambda: site.last_told() > promoted, patience=30)
    until(lambda: standby.ask(OUTAGES))
    began, ended = standby.ask(OUTAGES)[0]
    assert began < pulled + 2
    assert ended > promoted
    until(lambda: site.status("/healthz") == 200)


def test_a_locked_device_table_is_an_outage_of_ours_and_makes_no_device_offline(
    prepared: Site, primary: Server
) -> None:
    site = site_of(prepared, primary)
    with site.ingest(), site.process("manage.py", "settle", "--watch"), site.devices():
        with psycopg.connect(primary.url()) as migration:
            migration.execute("LOCK TABLE devices_device")
            until(lambda: site.status("/healthz") == 503)
            until(lambda: primary.ask(ALL_WOULD_BE_LOST) == [(True,)])
            assert site.status("/livez") == 200
            assert primary.ask(OPEN) == [(True,)]
        site.everybody_polls_again()
        until(lambda: primary.ask(OUTAGES))
        site.everybody_polls_again()
        assert went_offline(primary) == []
        assert site.status("/healthz") == 200
    assert everything_is_there(primary, site.acknowledged())


def test_a_full_disk_is_an_outage_of_ours_and_makes_no_device_offline(
    prepared: Site, machines: list[Machine]
) -> None:
    """Polls are refused then: they need more pages. A liveness sign has room where the one before was."""
    place = home(prepared.state.parent / "small")
    full = Server(place, machines[0])
    with disk(place / "data", "200m"):
        run("cp", "-a", f"{prepared.state.parent}/prepared/data/.", full.data)
        site = site_of(prepared, full)
        with (
            full.running("listen_addresses=*"),
            site.ingest(),
            site.process("manage.py", "settle", "--watch"),
            site.devices(),
            psycopg.connect(full.url(), autocommit=True) as known,  # a new one needs room, too
        ):
            known.execute("SELECT pg_switch_wal()")  # the log has room, so that the server goes on
            with filled(place / "data"):
                until(lambda: known.execute(SOME_WOULD_BE_LOST).fetchone() == (True,))
                assert site.status("/healthz") == 503
            site.everybody_polls_again()
            until(lambda: full.ask(OUTAGES))
            site.everybody_polls_again()
            assert went_offline(full) == []
            assert site.status("/healthz") == 200
            assert everything_is_there(full, site.acknowledged())


def test_an_ingest_process_that_hangs_does_not_hide_behind_another_one(
    prepared: Site, primary: Server
) -> None:
    site = site_of(prepared, primary)
    with site.ingest(processes=2), site.process("manage.py", "settle", "--watch"), site.devices():
        names = "SELECT name FROM devices_listeningprocess"
        until(lambda: len(primary.ask(names)) == 2)
        stuck = int(primary.ask(names)[0][0].rpartition(":")[2])
        os.kill(stuck, signal.SIGSTOP)
        try:
            until(lambda: primary.ask(OPEN) == [(True,)])
        finally:
            os.kill(stuck, signal.SIGCONT)
        until(lambda: primary.ask(OUTAGES))
        site.everybody_polls_again()
        assert went_offline(primary) == []


def test_an_ingest_process_that_was_killed_is_not_waited_for(prepared: Site, primary: Server) -> None:
    site = site_of(prepared, primary)
    with site.ingest(processes=2), site.devices():
        processes = "SELECT id, name FROM devices_listeningprocess"
        until(lambda: len(primary.ask(processes)) == 2)
        number, name = primary.ask(processes)[0]
        os.kill(int(name.rpartition(":")[2]), signal.SIGKILL)
        until(lambda: number not in {row[0] for row in primary.ask(processes)})
        until(lambda: len(primary.ask(processes)) == 2)  # its launcher began another
        site.everybody_polls_again()
        assert primary.ask(OUTAGES) == []


def test_a_process_that_is_asked_to_end_answers_what_comes_until_its_socket_closes(
    prepared: Site, primary: Server
) -> None:
    site = site_of(prepared, primary)
    with site.ingest() as process, site.devices():
        assert site.status("/healthz", "-H", "Host: 192.0.2.1") == 200
        process.terminate()
        until(lambda: site.status("/healthz") == 503)
        assert site.poll() == 200
        until(lambda: site.status("/healthz") == 0)
        assert process.wait(30) in {0, -signal.SIGTERM}
    assert primary.ask("SELECT count(*) FROM devices_listeningprocess") == [(0,)]
    assert everything_is_there(primary, site.acknowledged())
