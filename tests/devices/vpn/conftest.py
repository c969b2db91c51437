"""A site on the loopback that can be stopped and started, and the key file of a VPN server."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import uvicorn

from devices.ingest.app import Ingest
from devices.ingest.native.calls import CALLS
from tests.devices.ingest.world import World, make_world


class RunningSite:
    """The ingest in a thread, in front of the test database, at the same address each time."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        if self._listener.fileno() < 0:
            self._listener = socket.create_server(("127.0.0.1", self._port))
        config = uvicorn.Config(Ingest(CALLS), lifespan="on", log_config=None, proxy_headers=False)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._listener],))
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive()
            time.sleep(0.01)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        assert not self._thread.is_alive()
        with suppress(OSError):
            self._listener.close()


@pytest.fixture
def world(transactional_db: None) -> World:
    return make_world()


@pytest.fixture
def site(world: World) -> Iterator[RunningSite]:
    running = RunningSite()
    running.start()
    yield running
    running.stop()


@pytest.fixture
def key_file(world: World, tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.touch(0o600)
    path.write_text(f"{world.service_key}\n")
    return path
