"""A site on the loopback that tests stop and start, and the key file of a VPN server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from dashboard import listen
from devices.ingest.app import Ingest
from devices.ingest.native.calls import CALLS
from tests.devices.ingest.server import serving
from tests.devices.ingest.world import World, make_world


class RunningSite:
    """The ingest in a thread with the database of the test; each start has the same address."""

    def __init__(self) -> None:
        self._port = 0
        self.start()
        self.url = f"http://{listen.HOST}:{self._port}"

    def start(self) -> None:
        self._running = ExitStack()
        self._port = self._running.enter_context(serving(Ingest(CALLS), self._port))

    def stop(self) -> None:
        self._running.close()


@pytest.fixture
def world(transactional_db: None) -> World:
    return make_world()


@pytest.fixture
def site(world: World) -> Iterator[RunningSite]:
    running = RunningSite()
    yield running
    running.stop()


@pytest.fixture
def key_file(world: World, tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.touch(0o600)
    path.write_text(f"{world.service_key}\n")
    return path
