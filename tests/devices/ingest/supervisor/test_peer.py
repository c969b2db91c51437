"""The package with which real supervisors register, in front of the whole site over HTTP."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from dashboard.asgi import application
from devices import clock
from devices.ingest.app import Ingest
from devices.ingest.native import calls as native
from devices.ingest.supervisor import calls as supervisor
from devices.models import Device, Heartbeat
from tests.devices.ingest.client import Client
from tests.devices.ingest.raw import unlimited
from tests.devices.ingest.server import serving
from tests.devices.ingest.world import World
from tests.still import stand_still

PEER = Path(__file__).parent / "peer"


@pytest.fixture(scope="module")
def node() -> str:
    """Node, with the package; without them these tests are skipped, or fail where peers are required."""
    path = shutil.which("node")
    missing = "" if path else "no node in PATH"
    if not (PEER / "node_modules" / "balena-register-device").is_dir():
        missing = missing or f"run npm ci in {PEER} first"
    if missing:
        missing += ": real supervisors' registration not tried"
        if os.environ.get("REQUIRE_PEERS") == "1":
            pytest.fail(missing)
        pytest.skip(missing)
    assert path is not None
    return path


@pytest.fixture
def site(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """The site as it runs for one machine, pages and ingest together."""
    app = Ingest((*native.CALLS, *supervisor.CALLS), unlimited())
    monkeypatch.setattr("dashboard.asgi.ingest", app)  # stopped with the server, unlike the one it replaces
    with serving(application) as port:
        client = Client(port, base="/")
        yield client
        client.close()


def register(node: str, site: Client, key: str, **options: Any) -> Any:
    asked = {
        "applicationId": 1234,
        "deviceType": "raspberrypi4-64",
        "provisioningApiKey": key,
        "apiEndpoint": f"http://127.0.0.1:{site.port}",
        "supervisorVersion": "17.0.1",
        "osVersion": "balenaOS 6.1.2",
        "osVariant": "prod",
        "macAddress": "00:00:5E:00:53:01",
        **options,
    }
    command = [node, str(PEER / "register.js"), json.dumps(asked)]
    run = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    return json.loads(run.stdout)


def test_a_real_supervisor_registers_and_polls(node: str, world: World, site: Client) -> None:
    told = register(node, site, world.provisioning_key)
    device = Device.objects.get(uuid=told["uuid"])
    assert told["registered"] == {"id": device.pk, "uuid": told["uuid"], "api_key": told["key"]}
    assert (device.fleet, device.recorded_status) == (world.fleet, "post-provisioning")
    assert (device.os_version, device.mac_addresses) == ("balenaOS 6.1.2", ["00:00:5E:00:53:01"])
    answer = site.call("GET", f"device/v3/{device.uuid}/state", told["key"])
    assert (answer.status, set(answer.json)) == (200, {device.uuid})
    assert Heartbeat.objects.filter(device=device).exists()
    # Beside it there are pages, which ask a stranger to sign in.
    page = site.call("GET", f"devices/{device.uuid}/")
    assert (page.status, page.headers["location"].partition("?")[0]) == (302, "/sign-in/")


def test_a_real_supervisor_is_told_of_a_ceiling_and_registers_in_the_next_hour(
    node: str, world: World, site: Client, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.REGISTRATIONS_PER_HOUR, at = 1, clock.now()
    stand_still(monkeypatch, at)
    register(node, site, world.provisioning_key)
    paused = register(node, site, world.provisioning_key)
    assert paused["status"] == 429  # any answer but 201 and 409 has it wait and try again
    assert "This key has registered 1 devices in this hour" in paused["body"]["error"]
    stand_still(monkeypatch, at + timedelta(hours=1))
    assert register(node, site, world.provisioning_key)["registered"]
    settings.REGISTRATIONS_PER_KEY = 2
    spent = register(node, site, world.provisioning_key)
    assert spent["status"] == 403
    assert "Create another provisioning key" in spent["body"]["error"]
    assert Device.objects.filter(provisioned_by__isnull=False).count() == 2


def test_what_a_real_supervisor_hears_when_it_cannot_register(node: str, world: World, site: Client) -> None:
    taken = register(node, site, world.provisioning_key, uuid=world.device.uuid)
    assert taken == {"status": 409, "body": '"uuid" must be unique.'}
    assert register(node, site, "nonsense")["status"] == 401
    assert register(node, site, world.provisioning_key, uuid="short")["status"] == 400
