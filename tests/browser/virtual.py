"""Virtual devices that live beside a browser test, at its site, as the test says."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from itertools import chain, repeat
from random import Random
from typing import Final

from devices.simulator.client import Site
from devices.simulator.device import Device, Surroundings
from devices.simulator.keyfile import FleetKeys, Identity
from devices.simulator.scenarios import Step
from devices.simulator.vpn import VpnServer

QUIET: Final = repeat(Step(3600))
PATIENCE: Final = 30


class Virtual:
    """A VPN server and devices, in an event loop of a thread of their own."""

    def __init__(self, url: str, provisioning_key: str, service_key: str) -> None:
        self._url, self._service_key = url, service_key
        self._fleet = FleetKeys(slug="pumps", provisioning_key=provisioning_key)
        self._loop = asyncio.new_event_loop()
        self._lives: set[asyncio.Task[None]] = set()
        self.uuids: dict[str, str] = {}

    @contextmanager
    def living(self) -> Iterator[Virtual]:
        thread = threading.Thread(target=self._loop.run_forever)
        thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self._begin(), self._loop).result(PATIENCE)
            yield self
        finally:
            asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(PATIENCE)
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join(PATIENCE)
            self._loop.close()

    def start(self, name: str, begins: Step, *, vpn: bool, identity: Identity | None = None) -> None:
        """A device that begins so, and goes on so; it has registered, or the site knows it already."""
        registered: Future[Identity] = Future()
        if identity:
            registered.set_result(identity)
        server = self._server if vpn else None
        self._loop.call_soon_threadsafe(self._start, name, begins, server, identity, registered)
        self.uuids[name] = registered.result(PATIENCE).uuid

    def reach(self, name: str, *, vpn: bool) -> None:
        """Bring up the tunnel of a device, or end it."""
        change = self._server.join if vpn else self._server.leave
        self._loop.call_soon_threadsafe(change, self.uuids[name])

    def _start(
        self,
        name: str,
        begins: Step,
        server: VpnServer | None,
        identity: Identity | None,
        registered: Future[Identity],
    ) -> None:
        device = Device(
            Surroundings(self._site, poll_interval=1),
            fleet=self._fleet,
            name=name,
            life=chain([begins], QUIET),
            random=Random(name),
            server=server,
            identity=identity,
            keep=registered.set_result,
        )
        self._lives.add(self._loop.create_task(device.run()))

    async def _begin(self) -> None:
        self._site = await Site(self._url).__aenter__()
        self._server = VpnServer("vpn-1", self._site, self._service_key, Random(1))
        self._lives.add(self._loop.create_task(self._server.run(iter(()))))

    async def _end(self) -> None:
        for life in self._lives:
            life.cancel()
        for life in self._lives:
            with suppress(asyncio.CancelledError):
                await life
        await self._site.__aexit__(None, None, None)
