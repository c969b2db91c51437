"""Incidents of many organizations that begin and end by what VPN servers report, until there were enough."""

from __future__ import annotations

import asyncio
import os
import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp

from tests.system.alert_site import AlertSite

ALONE, TOGETHER = (36, 8), (24, 6)  # organizations, and devices in each that are lost one by one or at once
ENOUGH: Final = int(os.environ.get("INCIDENTS", "60"))
MOST: Final = 2  # incidents of each device: with more it would flap, and stay in its incident for an hour
AT_ONCE: Final = 24  # incidents
PATIENCE: Final = 500.0  # seconds that all of it takes at most on a busy machine
LIFE: Final = 10.0  # seconds between two life signs of a VPN server
ALIVE: Final = {"server": "vpn", "boot": "1"}
# Each organization has a rule that fires at once and tells a webhook; every third tells a mail address too.
MAKE: Final = f"""
made = {{}}
for number in range({ALONE[0] + TOGETHER[0]}):
    organization = Organization.objects.create(name=f"o{{number}}", slug=f"o{{number}}")
    fleet = Fleet.objects.create(organization=organization, name="f", slug=f"f{{number}}", vpn_enabled=True)
    rules.ship(organization)
    AlertRule.objects.filter(organization=organization).delete()
    address = {{"address": f"o{{number}}@halden.example"}}
    kinds = {{"webhook": {{"url": f"http://127.0.0.1:{{sys.argv[1]}}/{{number}}"}}, "email": address}}
    if number % 3:
        del kinds["email"]
    told = []
    for kind, values in kinds.items():
        target = Wanted(kind=kind, name=kind, values=values)
        told.append(targets.create(organization=organization, wanted=target, actor=None)[0])
    none = timedelta()
    wanted = usual(
        "No VPN", Condition.STATUS, Severity.CRITICAL, parameters=OfStatus(("heartbeat-only",)),
        delay=none, hold=none, gather=timedelta(seconds=1), steps=[Step(none, told)],
    )
    rules.create(organization=organization, wanted=wanted, actor=None, at=clock.now())
    of_each = {ALONE[1]} if number < {ALONE[0]} else {TOGETHER[1]}
    devices = [lifecycle.register(fleet=fleet) for _ in range(of_each)]
    service = keys.new_service_key(organization, "load")
    made[number] = [service, {{device.uuid: keys.new_device_key(device) for device in devices}}]
AlertTarget.objects.filter(kind="email").update(confirmed_at=clock.now())
print(json.dumps(made))
"""
STATES: Final = """
SELECT member.device_uuid, incident.state
FROM devices_incidentmember member JOIN devices_incident incident ON incident.id = member.incident_id
WHERE incident.merged_into_id IS NULL ORDER BY incident.id
"""


@dataclass
class Load:
    """Loses devices and brings them back, each time once the one before was recorded."""

    site: AlertSite
    made: dict[str, list[Any]]
    random: random.Random
    goes_on: Callable[[], bool] = lambda: False  # whether more incidents are wanted than ENOUGH
    begun: int = 0  # incidents
    steps: int = 0  # that were taken: something was reported, or is known to be recorded
    states: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))  # of a device's incidents

    def run(self) -> None:
        """Until there were enough incidents and nobody wants it to go on; then all are over."""
        asyncio.run(self._run())

    async def _run(self) -> None:
        timeout = aiohttp.ClientTimeout(total=10)
        async with aiohttp.ClientSession(timeout=timeout) as self._session, asyncio.timeout(PATIENCE):
            watch = [asyncio.create_task(self._watch()), *map(asyncio.create_task, self._lives())]
            await asyncio.gather(*(self._begin(*each) for each in self.made.values()))
            at_once = asyncio.Semaphore(AT_ONCE)
            await asyncio.gather(*(self._suffer(key, group, at_once) for key, group in self._groups()))
            for task in watch:
                task.cancel()

    def _groups(self) -> list[tuple[str, list[str]]]:
        groups = []
        for number, (key, devices) in self.made.items():
            if int(number) < ALONE[0]:
                groups += [(key, [device]) for device in devices]
            else:
                groups.append((key, list(devices)))
        return groups

    async def _begin(self, key: str, devices: dict[str, str]) -> None:
        await self._call("vpn/alive", key, ALIVE)
        await self._vpn("connect", key, list(devices))
        for device in devices.values():
            await self._call("heartbeat", device)

    async def _suffer(self, key: str, devices: list[str], at_once: asyncio.Semaphore) -> None:
        for number in range(MOST):
            await asyncio.sleep(self.random.uniform(0, 4))
            async with at_once:
                if self.begun >= ENOUGH and not self.goes_on():
                    return
                self.begun += 1
                await self._vpn("disconnect", key, devices)
                await self._until(devices, [*number * ["resolved"], "firing"])
                await asyncio.sleep(self.random.uniform(0, 2))
                await self._vpn("connect", key, devices)
                await self._until(devices, (number + 1) * ["resolved"])

    async def _until(self, devices: list[str], states: list[str]) -> None:
        """Wait until the incidents of these devices have these states, from the first on."""
        while any(self.states[device] != states for device in devices):
            await self._news.wait()
        self.steps += 1

    async def _watch(self) -> None:
        self._news = asyncio.Event()
        while True:
            rows = await asyncio.to_thread(self.site.ask, STATES)
            found = defaultdict[str, list[str]](list)
            for device, state in rows:
                found[device].append(state)
            self.states, news = found, self._news
            self._news = asyncio.Event()
            news.set()
            await asyncio.sleep(0.3)

    def _lives(self) -> list[Any]:
        return [self._live(key) for key, _ in self.made.values()]

    async def _live(self, key: str) -> None:
        while True:
            await asyncio.sleep(LIFE)
            await self._call("vpn/alive", key, ALIVE)

    async def _vpn(self, call: str, key: str, devices: list[str]) -> None:
        await self._call(f"vpn/{call}", key, {"server": "vpn", "devices": devices})
        self.steps += 1

    async def _call(self, call: str, key: str, body: Any = None) -> None:
        """Repeated until it was answered with success, as VPN servers and devices do."""
        address = f"http://127.0.0.1:{self.site.port}/api/v1/{call}"
        headers = {"Authorization": f"Bearer {key}"}
        while True:
            try:
                async with self._session.post(address, headers=headers, json=body) as answer:
                    if answer.status == 200:
                        return
                    assert answer.status == 503, await answer.text()
            except (aiohttp.ClientError, TimeoutError):
                pass
            await asyncio.sleep(0.1)
