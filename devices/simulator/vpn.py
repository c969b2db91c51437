"""Virtual VPN servers: sessions, life signs, and outages."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from .client import Refused, Site, SiteDown
from .scenarios import Outage

ALIVE = 10.0  # seconds between two signs of life
FLUSH = 0.25  # seconds for which events are gathered into one call
RETRY = 1.0  # seconds until a failed call is tried again, for ever
BATCH = 8000  # devices in one call
RECONNECT = 8.0  # seconds over which devices find back to a restarted server


@dataclass(frozen=True, slots=True)
class Event:
    """A tunnel that came up or went; `session` identifies one tunnel of the device."""

    connected: bool
    session: str


class VpnServer:
    """A VPN server and the tunnels to it.

    Devices call `join` and `leave`; `run` reports to the site. Events that could not be sent stay in an
    outbox, which keeps the last event per device.
    """

    def __init__(
        self,
        name: str,
        site: Site,
        key: str,
        random: Random,
        *,
        alive: float = ALIVE,
        flush: float = FLUSH,
        retry: float = RETRY,
    ) -> None:
        self.name = name
        self.sessions: dict[str, str] = {}
        self.boot = self._new_id()
        self.up = True
        self.muted = False  # runs and serves, but its calls do not reach the site
        self._site = site
        self._key = key
        self._random = random
        self._alive = alive
        self._flush = flush
        self._retry = retry
        self._wanted: set[str] = set()  # devices that want a tunnel, server up or not
        self._outbox: dict[str, Event] = {}

    def join(self, device: str) -> None:
        """Bring the device's tunnel up, now or as soon as the server is back."""
        self._wanted.add(device)
        if self.up:
            self._open(device)

    def leave(self, device: str, *, notice: float = 0.0) -> None:
        """End the device's tunnel; the server notices after so many seconds."""
        self._wanted.discard(device)
        session = self.sessions.get(device)
        if session is None:
            return
        if notice > 0:
            loop = asyncio.get_running_loop()
            loop.call_later(notice, self._close, device, session, self.boot)
        else:
            self._close(device, session, self.boot)

    async def run(self, outages: Iterator[Outage], *, speed: float = 1.0) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._live())
            group.create_task(self._tell())
            group.create_task(self._suffer(outages, speed))

    def _open(self, device: str) -> None:
        session = self.sessions[device] = self._new_id()
        self._outbox[device] = Event(True, session)

    def _close(self, device: str, session: str, boot: str) -> None:
        """End one session of this process life. A later one stays, and so does its event."""
        if boot != self.boot or not self.up:
            return
        if self.sessions.get(device) == session:
            del self.sessions[device]
        elif device in self._outbox:
            return
        self._outbox[device] = Event(False, session)

    def _reopen(self, device: str) -> None:
        if self.up and device in self._wanted and device not in self.sessions:
            self._open(device)

    async def _live(self) -> None:
        while True:
            if self.up and not self.muted:
                await self._sign()
            await asyncio.sleep(self._alive)

    async def _sign(self, connected: list[str] | None = None) -> None:
        body: dict[str, object] = {"server": self.name, "boot": self.boot}
        if connected is not None:
            body["connected"] = connected
        try:
            await self._site.vpn("alive", self._key, body)
        except (SiteDown, Refused):
            return  # counted; the next sign follows anyway

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(self._flush)
            if not self.up or self.muted or not self._outbox:
                continue
            batch = dict(list(self._outbox.items())[:BATCH])
            for device in batch:
                del self._outbox[device]
            if not await self._send(batch):
                self._outbox = batch | self._outbox  # what came meanwhile is newer and wins
                await asyncio.sleep(self._retry)

    async def _send(self, batch: dict[str, Event]) -> bool:
        """Send the events; False if any has to be sent again (repeating the others is harmless)."""
        for connected, name in ((True, "connect"), (False, "disconnect")):
            devices = [
                {"uuid": device, "session": event.session}
                for device, event in batch.items()
                if event.connected is connected
            ]
            if not devices:
                continue
            try:
                await self._site.vpn(name, self._key, {"server": self.name, "devices": devices})
            except SiteDown:
                return False
            except Refused:
                continue  # counted; saying it again would be refused again
        return True

    async def _suffer(self, outages: Iterator[Outage], speed: float) -> None:
        for outage in outages:
            await asyncio.sleep(outage.after / speed)
            if outage.dies:
                self._die()
                await asyncio.sleep(outage.length / speed)
                await self._start_again(RECONNECT / speed)
            else:
                self.muted = True
                await asyncio.sleep(outage.length / speed)
                self.muted = False
                await self._sign(list(self.sessions))

    def _die(self) -> None:
        """End the process without notice: its tunnels and its outbox are lost."""
        self.up = False
        self.sessions.clear()
        self._outbox.clear()

    async def _start_again(self, within: float) -> None:
        """Start a new process life, to which the devices reconnect within so many seconds."""
        self.boot = self._new_id()
        self.up = True
        await self._sign([])
        loop = asyncio.get_running_loop()
        for device in self._wanted:
            loop.call_later(self._random.uniform(0, within), self._reopen, device)

    @staticmethod
    def _new_id() -> str:
        return uuid.uuid4().hex[:16]
