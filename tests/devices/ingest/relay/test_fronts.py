"""HAProxy and nginx with the samples under contrib/: a killed Lookout fails no call of a device."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Final

import pytest

from tests.devices.ingest.real_site import PATIENCE, ROOT, Site, database
from tests.devices.ingest.relay import alone
from tests.devices.ingest.relay.fronts import CALLS, SAMPLES, Load, front
from tests.devices.ingest.relay.upstream import Sent, Upstream, upstream
from tests.worker import wait_until

KILL_AFTER: Final = 4.0  # seconds of load
SOURCE: Final = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "dashboard.settings"
import django; django.setup()
from devices import clock
from devices.models import Device, MirroredDevice, Source
from fleets.models import Organization
host, port = sys.argv[1:]
source = Source.objects.create(
    organization=Organization.objects.get(), name="Ours", address="https://api.example",
    relay_host=host, relay_to=f"http://127.0.0.1:{port}", created_at=clock.now(),
)
for device in Device.objects.all():
    MirroredDevice.objects.create(device=device, source=source, remote_id=device.pk)
"""


def answer(sent: Sent, connection: socket.socket) -> bool:
    """As an API: a state with an interval to a poll, an empty 200 to a report."""
    time.sleep(0.02)
    if sent.line.startswith("PATCH"):
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
        return True
    uuid = sent.line.split("/")[3]
    body = json.dumps({uuid: {"config": {"RESIN_SUPERVISOR_POLL_INTERVAL": "600000"}}}).encode()
    connection.sendall(b'HTTP/1.1 200 OK\r\nETag: "x"\r\nContent-Length: %d\r\n\r\n%b' % (len(body), body))
    return True


@pytest.fixture
def api() -> Iterator[Upstream]:
    with upstream(answer) as api:
        yield api


@pytest.fixture
def relaying_site(site: Site, api: Upstream) -> Site:
    with database(site.state) as connection:
        connection.execute("TRUNCATE devices_source, devices_outage, devices_listening CASCADE")
    command = [sys.executable, "-c", SOURCE, alone.HOST, str(api.port)]
    subprocess.run(command, cwd=ROOT, env=site.environment, check=True)
    return site


@pytest.mark.system
@pytest.mark.parametrize("program", SAMPLES)
def test_a_killed_lookout_fails_no_call(
    relaying_site: Site, api: Upstream, program: str, tmp_path: Path
) -> None:
    site, lookout = relaying_site, relaying_site.serve()
    wait_until(lambda: is_healthy(site.port))
    with front(tmp_path, program, site.port, api.port) as port:
        load = Load(port, list(site.keys))

        async def run() -> None:
            calls = asyncio.create_task(load.run())
            await asyncio.sleep(KILL_AFTER)
            lookout.kill()
            await calls

        asyncio.run(run())
    lookout.wait(PATIENCE)
    assert load.failed == []
    assert load.answered == CALLS
    assert seen(site) == {uuid for number, uuid in enumerate(load.uuids) if number % 4}  # those that polled


@pytest.mark.system
def test_after_a_kill_the_gap_is_not_observed_and_the_next_poll_is_right(
    relaying_site: Site, api: Upstream
) -> None:
    site, lookout = relaying_site, relaying_site.serve()
    wait_until(lambda: is_healthy(site.port))
    uuids = list(site.keys)
    for uuid in uuids[:2]:
        assert poll(site.port, uuid) == 200
    wait_until(lambda: seen(site) == set(uuids[:2]))
    lookout.kill()
    lookout.wait(PATIENCE)
    with database(site.state) as connection:  # as if a quarter of an hour ago
        connection.execute("UPDATE devices_listening SET pulse_at = pulse_at - interval '15 minutes'")
        connection.execute("DELETE FROM devices_listeningprocess")
        connection.execute(
            "UPDATE devices_heartbeat SET last_poll_at = last_poll_at - interval '15 minutes',"
            " late_at = late_at - interval '15 minutes', lost_at = lost_at - interval '15 minutes',"
            " due_at = due_at - interval '15 minutes'"
        )
    lookout = site.serve()
    try:
        wait_until(lambda: gaps(site))
        assert [gap.total_seconds() > 15 * 60 - 1 for gap in gaps(site)] == [True]
        with database(site.state) as connection:  # a whole window from the end on
            soon = connection.execute(
                "SELECT count(*) FROM devices_heartbeat WHERE late_at < now() + interval '14 minutes'"
            ).fetchone()
        assert soon == (0,)
        assert poll(site.port, uuids[2]) == 200
        wait_until(lambda: seen(site) == set(uuids[:3]))
    finally:
        lookout.terminate()
        lookout.wait(PATIENCE)


def gaps(site: Site) -> list[timedelta]:
    """How long the times lasted that were not observed."""
    with database(site.state) as connection:
        rows = connection.execute("SELECT ended_at - began_at FROM devices_outage")
        return [gap for (gap,) in rows.fetchall()]


def is_healthy(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    connection.request("GET", "/healthz")
    status = connection.getresponse().status
    connection.close()
    return status == 200


def poll(port: int, uuid: str) -> int:
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    headers = {
        "Host": alone.HOST,
        "User-Agent": "Supervisor/19.0.5",
        "Authorization": f"Bearer key of {uuid}",
    }
    connection.request("GET", f"/device/v3/{uuid}/state", headers=headers)
    status = connection.getresponse().status
    connection.close()
    return status


def seen(site: Site) -> set[str]:
    """The devices whose heartbeat is recent."""
    with database(site.state) as connection:
        rows = connection.execute("SELECT uuid FROM devices_device WHERE heartbeat_state = 'recent'")
        return {uuid for (uuid,) in rows.fetchall()}
