"""A real server on the loopback with the database of the test or one of its own, and a client."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from devices import connectivity
from devices.ingest.app import Ingest
from devices.ingest.native.calls import CALLS
from tests.devices.ingest.client import Client
from tests.devices.ingest.raw import unlimited
from tests.devices.ingest.real_site import MAKE, ROOT, Site, database, embedded
from tests.devices.ingest.server import serving
from tests.devices.ingest.world import ADDRESS, KEEP_POLLING, World, make_world, write


@pytest.fixture
def world(transactional_db: None) -> World:
    return make_world()


@pytest.fixture
def polling(world: World) -> World:
    """A world whose device has polled a second ago."""
    connectivity.record_heartbeats([world.device.pk], addresses={world.device.pk: ADDRESS})
    write(KEEP_POLLING)
    return world


@pytest.fixture
def client(world: World) -> Iterator[Client]:
    app = Ingest(CALLS, unlimited())
    with serving(app) as port:
        while not app.steady.can_commit:
            time.sleep(0.001)
        client = Client(port)
        yield client
        client.close()


@pytest.fixture(scope="session")
def holder() -> Iterator[Path]:
    """A state directory whose embedded PostgreSQL runs and is migrated."""
    with embedded() as state:
        yield state


@pytest.fixture
def site(holder: Path) -> Site:
    with database(holder) as connection:
        connection.execute(
            "TRUNCATE fleets_organization, devices_statuschange, devices_connectivityrecord CASCADE"
        )
    environment = {"PATH": os.environ["PATH"], "STATE_DIRECTORY": str(holder)}
    made = subprocess.run(
        [sys.executable, "-c", MAKE], cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    return Site(holder, json.loads(made.stdout), port)
