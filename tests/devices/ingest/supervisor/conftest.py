"""A real server of the supervisor dialect, and somebody to call it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from devices.ingest.app import Ingest
from devices.ingest.supervisor import calls as supervisor
from tests.devices.ingest.client import Client
from tests.devices.ingest.raw import unlimited
from tests.devices.ingest.server import serving
from tests.devices.ingest.world import World


@pytest.fixture
def client(world: World) -> Iterator[Client]:
    with serving(Ingest(supervisor.CALLS, unlimited())) as port:
        client = Client(port, base="/")
        yield client
        client.close()
