"""A real server on the loopback, in front of the test database, and somebody to call it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn

from devices.ingest.native import CALLS
from devices.ingest.service import Ingest
from tests.devices.ingest.client import Client
from tests.devices.ingest.raw import unbraked
from tests.devices.ingest.world import World, make_world


@pytest.fixture
def world(transactional_db: None) -> World:
    return make_world()


@pytest.fixture
def client(world: World) -> Iterator[Client]:
    """A client of a server that runs in a thread, and stops as a real one does."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(
            Ingest(CALLS, unbraked()), lifespan="on", log_config=None, proxy_headers=False, http="httptools"
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        client = Client(listener.getsockname()[1])
        try:
            yield client
        finally:
            client.close()
            server.should_exit = True
            thread.join(10)
    assert not thread.is_alive()
