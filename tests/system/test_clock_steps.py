"""Somebody sets the clock of the database under a running site: no status changes by it, and it heals.

PostgreSQL 15 under libfaketime, whose clock a file sets while it runs; two real processes of the ingest, one
that settles, devices that poll every ten seconds until they die.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.system import network, postgres
from tests.system.network import Machine, run
from tests.system.postgres import Server, account, until
from tests.system.site import DEVICES, ROOT, Site, everything_is_there, went_offline

pytestmark = pytest.mark.system

LIBRARIES: Final = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
WHY_NOT: Final = network.WHY_NOT or postgres.WHY_NOT or ("" if LIBRARIES else "libfaketime is not installed")
DAY: Final = 86400
IS_TOLD: Final = """
SELECT stepped_at > statement_timestamp() - interval '5 min'
   AND abs(extract(epoch FROM stepped_by) - %s) < 30 AND NOT ahead
   AND pulse_at BETWEEN statement_timestamp() - interval '10 s' AND statement_timestamp()
FROM devices_listening
"""
AHEAD: Final = """
SELECT 'outage' FROM devices_outage WHERE ended_at > statement_timestamp()
UNION ALL SELECT 'poll' FROM devices_heartbeat WHERE last_poll_at > statement_timestamp()
UNION ALL SELECT 'deadline' FROM devices_heartbeat WHERE late_at > statement_timestamp() + interval '15 s'
UNION ALL SELECT 'change' FROM devices_statuschange WHERE at > statement_timestamp()
UNION ALL SELECT 'link' FROM devices_connectivityrecord WHERE at > statement_timestamp()
"""
POLLED_SINCE: Final = """
SELECT count(*) FROM devices_heartbeat, devices_listening WHERE last_poll_at > stepped_at
"""
# By a whole window after the last poll of each device, which is when it was lost.
LOST_IN_TIME: Final = """
SELECT count(*) FROM devices_statuschange c JOIN devices_heartbeat h USING (device_id)
WHERE c.after = 'offline' AND c.at = h.last_poll_at + interval '30 s'
"""
# A process can tell a step forward from an outage once it has left a liveness sign.
LISTENING: Final = "SELECT count(*) FROM devices_listeningprocess"
LOST: Final = "SELECT count(*) FROM devices_statuschange WHERE after = 'offline'"


@dataclass(frozen=True)
class World:
    site: Site
    server: Server

    def set_clock(self, ahead: int) -> None:
        """The database's clock, by so many seconds from now on."""
        fresh = self.server.home / "clock.fresh"
        fresh.write_text(f"{ahead:+}\n")
        fresh.rename(self.server.home / "clock")  # at once, however often it is read

    def hears_of(self, step: int) -> None:
        """The ledger does, and whatever it has to do about it is done."""
        until(lambda: self.server.ask(IS_TOLD, step) == [(True,)])

    def everything_is_right(self, direction: str) -> None:
        """Nobody went Offline, nothing is dated ahead, and verify_status only tells the step."""
        assert went_offline(self.server) == []
        assert self.server.ask(AHEAD) == []
        first, last = self.verify_status()
        assert first.startswith(f"The database's clock was set {direction} by ")
        assert last == "All records match the facts."

    def verify_status(self) -> list[str]:
        command = self.site.machine.inside(sys.executable, "manage.py", "verify_status")
        environment = self.site.environment
        done = subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True)
        return (done.stdout + done.stderr).replace("\N{NO-BREAK SPACE}", " ").splitlines()

    def dead_devices_are_lost_in_time(self) -> None:
        until(lambda: self.server.ask(LOST_IN_TIME) == [(DEVICES,)])
        assert self.server.ask(LOST) == [(DEVICES,)]


def server_in(home: Path, machine: Machine) -> Server:
    """One whose clock goes by the file `clock` in its home."""
    home.mkdir()
    os.chown(home, *account())
    (home / "clock").write_text("+0\n")
    environment = (
        f"LD_PRELOAD={LIBRARIES[-1]}",
        f"FAKETIME_TIMESTAMP_FILE={home / 'clock'}",
        "FAKETIME_NO_CACHE=1",
        "FAKETIME_DONT_FAKE_MONOTONIC=1",
        "DONT_FAKE_MONOTONIC=1",
    )
    return Server(home, machine, environment)


@pytest.fixture(scope="module")
def machines() -> Iterator[list[Machine]]:
    if WHY_NOT and not os.environ.get("REQUIRE_SYSTEM"):
        pytest.skip(WHY_NOT)
    assert not WHY_NOT, f"REQUIRE_SYSTEM is set, but: {WHY_NOT}"
    with network.network(["database", "site"]) as machines:
        yield machines


@pytest.fixture(scope="module")
def prepared(machines: list[Machine]) -> Iterator[Path]:
    """A server that is down, with the tables and the devices, beside the site's state."""
    with tempfile.TemporaryDirectory(prefix="lookout-clock-") as place:
        here = Path(place)
        here.chmod(0o711)
        server = server_in(here / "prepared", machines[0])
        (here / "state").mkdir()
        server.make()
        with server.running():
            Site(here / "state", machines[0], server.url("lookout")).make(server.url("lookout_owner"))
        yield here


@pytest.fixture
def world(prepared: Path, machines: list[Machine]) -> Iterator[World]:
    """All of it lives: every device has polled once, every process of the ingest listens."""
    server = server_in(prepared / f"server-{len(list(prepared.iterdir()))}", machines[0])
    run("cp", "-a", str(prepared / "prepared" / "data"), str(server.home))
    (prepared / "state" / "told").unlink(missing_ok=True)
    site = Site(prepared / "state", machines[1], f"postgresql://lookout@{machines[0].address}/lookout")
    with (
        server.running("listen_addresses=*"),
        site.ingest(processes=2),
        site.process("manage.py", "settle", "--watch"),
    ):
        until(lambda: server.ask(LISTENING) == [(2,)])
        yield World(site, server)


def test_a_clock_that_is_a_day_ahead_for_a_while_leaves_nothing_ahead_and_no_device_offline(
    world: World,
) -> None:
    with world.site.devices():
        world.set_clock(DAY)
        world.hears_of(DAY)
        world.site.everybody_polls_again()
        world.set_clock(0)
        world.hears_of(-DAY)
        world.site.everybody_polls_again()
        world.everything_is_right("back")
        assert everything_is_there(world.server, world.site.acknowledged())
    world.dead_devices_are_lost_in_time()


def test_a_clock_that_is_set_forward_by_an_hour_makes_no_device_offline(world: World) -> None:
    with world.site.devices():
        world.set_clock(3600)
        world.hears_of(3600)
        world.site.everybody_polls_again()
        world.site.everybody_polls_again()
        world.everything_is_right("forward")
    world.dead_devices_are_lost_in_time()


def test_a_clock_that_is_set_back_by_ten_minutes_makes_no_poll_and_no_sign_wait(world: World) -> None:
    with world.site.devices():
        world.set_clock(-600)
        world.hears_of(-600)
        world.site.everybody_polls_again()
        assert world.server.ask(POLLED_SINCE) == [(DEVICES,)]
        world.everything_is_right("back")
    world.dead_devices_are_lost_in_time()
