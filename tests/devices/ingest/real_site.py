"""A site of its own: a database server, ingest processes, and a load that remembers what it was told."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path

import aiohttp
import psycopg

from dashboard.environment.database import OWNER, url
from tests.places import open_place

ROOT = Path(__file__).resolve().parents[3]
DEVICES = 120
PATIENCE = 30.0  # seconds until a process on a busy machine is up
SECONDS = 2.0  # of load, once everybody was answered and something was killed

MAKE = f"""
import json, os
os.environ["DJANGO_SETTINGS_MODULE"] = "dashboard.settings"
import django; django.setup()
from devices import keys
from devices.operations import lifecycle
from fleets.models import Fleet, Organization
organization = Organization.objects.create(name="o", slug="o")
fleet = Fleet.objects.create(organization=organization, name="f", slug="f", vpn_enabled=True)
devices = [lifecycle.register(fleet=fleet) for _ in range({DEVICES})]
print(json.dumps({{device.uuid: keys.new_device_key(device) for device in devices}}))
"""
SERVE = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "dashboard.settings"
import django; django.setup()
from dashboard.listen import HOST, bind, serve
from devices.ingest import group_commit
group_commit.GroupCommit.__init__.__kwdefaults__["queue"] = int(sys.argv[2])
serve("devices.ingest.asgi:app", bind(HOST, int(sys.argv[1])))
"""


@dataclass
class Told:
    """What the devices were told, as they remember it."""

    release: dict[str, int] = field(default_factory=dict)  # the last acknowledged report of each
    polled: dict[str, datetime] = field(default_factory=dict)  # when the last acknowledged poll was sent
    everybody: asyncio.Event = field(default_factory=asyncio.Event)  # was answered
    over: bool = False  # they have called often enough
    under_way: int = 0  # calls that wait for their answer
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

    def answers(self) -> bool:
        """Whether a device gets through to the database."""
        headers = {"Authorization": f"Bearer {next(iter(self.keys.values()))}"}
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)) as connection:
            connection.request("POST", "/api/v1/heartbeat", headers=headers)
            return connection.getresponse().status == 200


@contextmanager
def embedded() -> Iterator[Path]:
    """A state directory whose embedded PostgreSQL runs, is started again where it dies, and is migrated."""
    with open_place() as state:
        environment = {"PATH": os.environ["PATH"], "STATE_DIRECTORY": str(state)}
        watcher = [sys.executable, "-m", "dashboard.postgres"]
        with subprocess.Popen([*watcher, "sleep", "3600"], cwd=ROOT, env=environment) as process:
            try:
                migrate = [*watcher, sys.executable, "manage.py", "migrate", "--verbosity", "0"]
                subprocess.run(migrate, cwd=ROOT, env=environment, check=True, timeout=10 * PATIENCE)
                yield state
            finally:
                process.terminate()
                process.wait(PATIENCE)


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


async def live(site: Site, uuid: str, session: aiohttp.ClientSession, told: Told) -> None:
    """A device that polls, and with every other poll reports a higher release number."""
    headers = {"Authorization": f"Bearer {site.keys[uuid]}"}
    number = 0
    while not told.over:
        number += 1
        body = {"release": str(number)} if number % 2 else None
        sent_at = datetime.now(UTC)
        told.under_way += 1
        try:
            async with session.post(
                f"http://127.0.0.1:{site.port}/api/v1/heartbeat", headers=headers, json=body
            ) as answer:
                await answer.read()
        except (aiohttp.ClientError, TimeoutError):
            answer = None
        finally:
            told.under_way -= 1
        if answer is None:
            told.failed += 1
            await asyncio.sleep(0.05)
        elif answer.status == 200:
            told.polled[uuid] = sent_at
            if len(told.polled) == DEVICES:
                told.everybody.set()
            if body:
                told.release[uuid] = number
            await asyncio.sleep(0.1)  # no agent comes as often as the rate limits allow at most
        else:
            assert answer.status == 503
            told.refused += 1
            await asyncio.sleep(0.02)


def load(site: Site, then: Callable[[Told], None] | None = None) -> Told:
    """All devices at once for a while; `then` is done once each of them was answered."""
    told = Told()

    async def run() -> None:
        timeout = aiohttp.ClientTimeout(total=5)
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
            lives = [asyncio.create_task(live(site, uuid, session, told)) for uuid in site.keys]
            try:
                async with asyncio.timeout(PATIENCE):
                    await told.everybody.wait()
                if then:
                    await asyncio.to_thread(then, told)
                await asyncio.sleep(SECONDS)
            finally:
                told.over = True
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
