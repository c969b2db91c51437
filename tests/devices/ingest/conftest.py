"""A real server on the loopback, in front of the test database, and somebody to call it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from devices.ingest.native import CALLS
from devices.ingest.service import Ingest
from tests.devices.ingest.client import Client
from tests.devices.ingest.raw import unbraked
from tests.devices.ingest.server import serving
from tests.devices.ingest.world import World, make_world


@pytest.fixture
def world(transactional_db: None) -> World:
    return make_world()


@pytest.fixture
def client(world: World) -> Iterator[Client]:
    with serving(Ingest(CALLS, unbraked())) as port:
        client = Client(port)
        yield client
        client.close()
