"""What was acknowledged is there, and there once, whatever is killed: real processes, counted afterwards."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import psycopg
import pytest

from dashboard.database import OWNER, url

ROOT = Path(__file__).resolve().parents[3]
DEVICES = 120
PATIENCE = 30.0  # seconds until a process on a busy machine is up
SECONDS = 3.0  # of load; what is killed is killed in the middle

MAKE = f"""
import json, os
os.environ["DJANGO_SETTINGS_MODULE"] = "dashboard.settings"
import django; django.setup()
from devices import keys, lifecycle
from fleets.models import Fleet, Organization
fleet = Fleet.objects.create(organization=Organization.objects.create(name="o", slug="o"), name="f", slug="f")
devices = [lifecycle.register(fleet=fleet) for _ in range({DEVICES})]
print(json.dumps({{device.uuid: keys.new_device_key(device) for device in devices}}))
"""
SERVE = """
import sys, uvicorn
from devices.ingest import batch
batch.QUEUE_WEIGHT = int(sys.argv[2])
uvicorn.run("devices.ingest.asgi:app", host="127.0.0.1", port=int(sys.argv[1]), log_level="critical",
            access_log=False, proxy_headers=False)
"""


@dataclass
class Told:
    """What the devices were told, as they remember it."""

    release: dict[str, int] = field(default_factory=dict)  # the last acknowledged report of each
    polled: dict[str, datetime] = field(default_factory=dict)  # when the last acknowledged poll was sent
    sent: int = 0
    refused: int = 0
    failed: int = 0


@dataclass(frozen=True)
class Site:
    """An ingest process of its own, in front of an embedded server of its own."""

    state: Path
    keys: dict[str, str]
    port: int

    @property
    def environment(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "STATE_DIRECTORY": str(self.state), "DATABASE_POOL": "4"}

    def serve(self, queue: int = 32 * 1024 * 1024) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", SERVE, str(self.port), str(queue)]
        process = subprocess.Popen(command, cwd=ROOT, env=self.environment)
        began = time.monotonic()
        while time.monotonic() - began < PATIENCE:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return process
        raise AssertionError("the ingest does not answer")


@pytest.fixture(scope="module")
def holder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A state directory whose embedded server is up and migrated."""
    state = tmp_path_factory.mktemp("crash")
    environment = {"PATH": os.environ["PATH"], "STATE_DIRECTORY": str(state)}
    watcher = [sys.executable, "-m", "dashboard.postgres"]
    with subprocess.Popen([*watcher, "sleep", "600"], cwd=ROOT, env=environment) as process:
        migrate = [*watcher, sys.executable, "manage.py", "migrate", "--verbosity", "0"]
        subprocess.run(migrate, cwd=ROOT, env=environment, check=True, timeout=4 * PATIENCE)
        yield state
        process.terminate()
        process.wait(PATIENCE)


@pytest.fixture
def site(holder: Path) -> Site:
    with database(holder) as connection:
        connection.execute(
            "TRUNCATE fleets_organization, devices_statuschange, devices_connectivityrecord CASCADE"
        )
    environment = {"PATH": os.environ["PATH"], "STATE_DIRECTORY": str(holder)}
    made = subprocess.run(
        [sys.executable, "-c", MAKE], cwd=ROOT, env=environment, check=True, capture_output=True
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    return Site(holder, json.loads(made.stdout), port)


@contextmanager
def database(state: Path) -> Iterator[psycopg.Connection]:
    """A connection, as soon as the server answers (again)."""
    began = time.monotonic()
    while True:
        try:
            connection = psycopg.connect(url(state, OWNER), autocommit=True)
        except psycopg.OperationalError:
            assert time.monotonic() - began < PATIENCE
            time.sleep(0.1)
        else:
            break
    with connection:
        yield connection


async def live(site: Site, uuid: str, session: aiohttp.ClientSession, told: Told, until: float) -> None:
    """A device that polls, and with every other poll reports a higher release number."""
    headers = {"Authorization": f"Bearer {site.keys[uuid]}"}
    number = 0
    while time.monotonic() < until:
        number += 1
        body = {"release": str(number)} if number % 2 else None
        sent_at = datetime.now(UTC)
        told.sent += 1
        try:
            async with session.post(
                f"http://127.0.0.1:{site.port}/api/v1/heartbeat", headers=headers, json=body
            ) as answer:
                await answer.read()
        except (aiohttp.ClientError, TimeoutError):
            told.failed += 1
            await asyncio.sleep(0.05)
            continue
        if answer.status == 200:
            told.polled[uuid] = sent_at
            if body:
                told.release[uuid] = number
            await asyncio.sleep(0.1)  # no agent comes as often as the brakes allow at most
        else:
            assert answer.status == 503
            told.refused += 1
            await asyncio.sleep(0.02)


def load(site: Site, then: Callable[[], None] | None = None) -> Told:
    """All devices at once for a while; `then` is done in the middle."""
    told = Told()

    async def run() -> None:
        until = time.monotonic() + SECONDS
        timeout = aiohttp.ClientTimeout(total=3)
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
            lives = [asyncio.create_task(live(site, uuid, session, told, until)) for uuid in site.keys]
            await asyncio.sleep(SECONDS / 3)
            if then:
                await asyncio.to_thread(then)
            await asyncio.gather(*lives)

    asyncio.run(run())
    return told


def check(site: Site, told: Told) -> None:
    """Every acknowledged poll and report is in the database, and every edge is there once."""
    with database(site.state) as connection:
        rows = connection.execute(
            "SELECT d.uuid, d.release, h.last_poll_at FROM devices_device d"
            " LEFT JOIN devices_heartbeat h ON h.device_id = d.id"
        ).fetchall()
        edges = connection.execute("SELECT count(*) FROM devices_connectivityrecord").fetchone()
        changes = connection.execute(
            "SELECT count(*), count(*) FILTER (WHERE before IS NULL) FROM devices_statuschange"
        ).fetchone()
    kept = {uuid: (int(release or 0), polled) for uuid, release, polled in rows}
    assert len(kept) == DEVICES
    assert len(told.polled) == DEVICES  # the load reached everybody
    for uuid, sent_at in told.polled.items():
        assert kept[uuid][1] >= sent_at
    for uuid, number in told.release.items():
        assert kept[uuid][0] >= number
    assert edges == (DEVICES,)
    assert changes == (2 * DEVICES, DEVICES)


def end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(PATIENCE)


def test_a_killed_ingest_process_loses_nothing_acknowledged(site: Site) -> None:
    processes = [site.serve()]

    def kill_and_replace() -> None:
        processes[0].kill()
        processes[0].wait(PATIENCE)
        processes.append(site.serve())

    told = load(site, kill_and_replace)
    end(processes[-1])
    assert told.failed
    check(site, told)


def test_a_killed_database_loses_nothing_acknowledged_and_needs_no_restart(site: Site) -> None:
    process = site.serve()

    killed = postmaster(site)
    told = load(site, lambda: os.kill(killed, signal.SIGKILL))
    check(site, told)
    assert postmaster(site) != killed
    after = load(site)
    end(process)
    assert not after.refused
    assert not after.failed
    check(site, after)


def postmaster(site: Site) -> int:
    return int((site.state / "postgres/data/postmaster.pid").read_text().splitlines()[0])


def test_a_full_queue_refuses_at_once_and_keeps_what_it_accepted(site: Site) -> None:
    process = site.serve(queue=24 * 1024)  # some twenty calls
    told = load(site)
    end(process)
    assert told.refused
    check(site, told)


def test_a_graceful_stop_answers_what_it_accepted(site: Site) -> None:
    process = site.serve()

    def stop() -> None:
        process.terminate()
        process.wait(PATIENCE)

    told = load(site, stop)
    assert process.returncode in (0, -signal.SIGTERM)
    check(site, told)
