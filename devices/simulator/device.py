"""A virtual device: an agent that registers, polls and reports, while a scenario happens to the device."""

from __future__ import annotations

import asyncio
import math
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random

from . import hardware
from .client import Refused, Site, SiteDown
from .keyfile import FleetKeys, Identity
from .scenarios import HEALTHY, Step
from .vpn import VpnServer

GONE = "gone"
BACKOFF = 15.0  # seconds to wait after the first error, twice that after the next
PATIENCE = 60.0  # seconds to wait at most, until the poll interval is known
JITTER = 60.0  # seconds at most that a poll comes after its interval, as with real agents
BOOT = 4.0  # seconds within which a device polls after it was switched on
METRICS_EVERY = 60.0  # seconds between two reports of metrics
REGISTERING = 32  # devices that register at once


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the devices of a run share; each has a copy with its own public address."""

    site: Site
    doing: Counter[str] = field(default_factory=Counter)  # how many devices are at what
    turn: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(REGISTERING))
    poll_interval: float | None = None  # seconds, instead of what the site answers
    address: str = ""  # public; empty: the one from which calls go out
    speed: float = 1.0  # how much faster than the scenario table lives pass


class Device:
    """A device and its agent. `run` lives until cancelled, or until the site disowns it."""

    def __init__(
        self,
        around: Surroundings,
        *,
        fleet: FleetKeys,
        name: str,
        life: Iterator[Step],
        random: Random,
        server: VpnServer | None = None,
        identity: Identity | None = None,
        keep: Callable[[Identity], None] | None = None,
    ) -> None:
        """`keep` is called with each identity that the device registers; None: it never registers."""
        self.name = name
        self.identity = identity or Identity("", "")
        self._around = around
        self._fleet = fleet
        self._life = life
        self._random = random
        self._server = server
        self._keep = keep
        self._doing = ""
        self._power = self._api = self._vpn = True
        self._interval = around.poll_interval or self.identity.poll_interval  # seconds; 0: not known yet
        self._failures = 0
        self._accepted = False  # has the site answered a poll of this identity?
        self._next_poll = self._next_report = self._next_metrics = 0.0
        self._facts = hardware.facts(fleet, random)
        self._pending: dict[str, object] = {}

    async def run(self) -> None:
        now = asyncio.get_running_loop().time
        self._be("starting")
        if not self.identity.key:
            await self._register()
        self._be(HEALTHY)
        self._boot(now(), within=self._interval or BOOT)
        step = next(self._life)
        step_at = now() + step.after / self._around.speed
        while self._doing != GONE:
            await asyncio.sleep(min(step_at, self._next_call()) - now())
            if now() >= step_at:
                self._apply(step, now())
                step = next(self._life)
                step_at += step.after / self._around.speed
            elif now() >= self._next_call():
                await self._speak(now())

    # What happens to the device.

    def _apply(self, step: Step, now: float) -> None:
        if step.doing:
            self._be(step.doing)
        self._facts.update(step.report)
        self._pending.update(step.report)
        if step.api is not None:
            self._api = step.api
        if step.vpn is not None:
            self._vpn = step.vpn
            self._link(step.notice)
        if step.power is not None and step.power != self._power:
            self._power = step.power
            if step.power:
                self._boot(now, within=min(BOOT, self._interval or BOOT))
            else:
                self._link(step.notice)

    def _boot(self, now: float, *, within: float) -> None:
        """Start up: the first poll comes within so many seconds, and reports all facts."""
        self._pending = dict(self._facts)
        self._next_metrics = now
        self._next_poll = self._next_report = now + self._random.uniform(0, within)
        self._link()

    def _link(self, notice: float = 0.0) -> None:
        if self._server is None:
            return
        if self._power and self._vpn:
            self._server.join(self.identity.uuid)
        else:
            self._server.leave(self.identity.uuid, notice=notice / self._around.speed)

    def _be(self, doing: str) -> None:
        if self._doing:
            self._around.doing[self._doing] -= 1
        self._around.doing[doing] += 1
        self._doing = doing

    # What the device says.

    def _next_call(self) -> float:
        """When the device wants to call the site; never while it cannot."""
        if not (self._power and self._api):
            return math.inf
        return min(self._next_poll, self._next_report) if self._pending else self._next_poll

    async def _speak(self, now: float) -> None:
        """Poll if it is time, else report; what cannot be delivered is kept for the next call."""
        body, self._pending = self._pending, {}
        try:
            if now < self._next_poll:
                await self._around.site.report(self.identity.key, body, self._around.address)
            else:
                await self._poll(now, body)
            self._failures = 0
        except SiteDown:
            self._pending = body | self._pending
            pause = self._backoff()
            self._next_poll = max(self._next_poll, now + pause)
            self._next_report = now + pause
        except Refused as error:  # a 403 is a frozen device's report: given up
            if error.status == 401:
                await self._disowned()

    async def _poll(self, now: float, body: dict[str, object]) -> None:
        if now >= self._next_metrics:
            self._next_metrics = now + METRICS_EVERY
            body = body | {"metrics": hardware.metrics(self._random)}
        self._next_poll = now + (self._interval or BACKOFF)  # in case the answer is a refusal
        try:
            answer = await self._around.site.poll(self.identity.key, body or None, self._around.address)
        except SiteDown:
            self._next_poll = now
            raise
        self._accepted = True
        self._obey(answer)
        jitter = self._random.uniform(0, min(JITTER, self._interval / 4))
        self._next_poll = now + self._interval + jitter

    def _obey(self, answer: dict[str, object]) -> None:
        """Take over the poll interval that the site answers."""
        interval = answer.get("poll_interval")
        if self._around.poll_interval is None and isinstance(interval, (int, float)) and interval > 0:
            self._interval = float(interval)

    def _backoff(self) -> float:
        """Seconds to wait after an error: longer each time, but never longer than an interval."""
        pause: float = min(self._interval or PATIENCE, BACKOFF * 2 ** min(self._failures, 16))
        self._failures += 1
        return pause * self._random.uniform(0.75, 1.25)

    # Who the device is.

    async def _register(self) -> None:
        """Register, retrying until it succeeds, with another UUID if one is taken."""
        body = {
            "uuid": uuid.uuid4().hex,
            "name": self.name,
            "device_type": self._fleet.device_type,
        }
        while True:
            try:
                async with self._around.turn:
                    answer = await self._around.site.register(
                        self._fleet.provisioning_key, body, self._around.address
                    )
                break
            except SiteDown:
                pass
            except Refused as error:
                if error.status == 409:
                    body["uuid"] = uuid.uuid4().hex
            await asyncio.sleep(self._backoff())
        self._failures = 0
        self._obey(answer)
        self.identity = Identity(str(answer["uuid"]), str(answer["key"]), self._interval)
        if self._keep:
            self._keep(self.identity)

    async def _disowned(self) -> None:
        """The key is refused: register again if it is from an earlier run, else end the device."""
        if self._server is not None:
            self._server.leave(self.identity.uuid)
        if self._accepted or self._keep is None:
            self._be(GONE)
            return
        await self._register()
        self._boot(asyncio.get_running_loop().time(), within=self._interval)
