"""Heartbeats at a steady rate, in quiet and while 100 sign-ins from 100 addresses come at once."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

import aiohttp
from django.core.management import call_command

from dashboard.models import User
from devices import clock
from devices.models import Outage
from tests.bench import fill
from tests.bench.processes import serving

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.bench.options import Options

SITE: Final = "dashboard.asgi:application"
AT_ONCE: Final = 100  # sign-ins, each from an address of its own
TOKEN: Final = "c" * 32
LONGEST: Final = aiohttp.ClientTimeout(total=60)

Call = tuple[int, float]  # the status (0: no answer) and the milliseconds until it was there


@dataclass(frozen=True)
class Line:
    """Calls of a kind: how many, how they were answered, and how long that took in milliseconds."""

    name: str
    calls: int
    statuses: dict[int, int]
    p50: float
    p99: float
    longest: float


def run(options: Options, floods: int, rate: int) -> int:
    """Measures, prints and keeps. The code to exit with: 1 where a heartbeat or the ledger failed."""
    fill.fill(options.devices)
    User.objects.get_or_create(username="somebody")  # else every page leads to the first run
    call_command("collectstatic", interactive=False, verbosity=0)
    began = clock.now()
    with serving(SITE, 1) as servers:
        lines = asyncio.run(measure(servers.url, options.devices, floods, rate))
    outages = Outage.objects.filter(began_at__gt=began).count()  # not that nobody served before
    for line in lines:
        sys.stdout.write(f"{said(line)}\n")
    sys.stdout.write(f"Outages of ours that were recorded: {outages}\n")
    file = options.state / "bench" / "signins.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(
        json.dumps({"outages": outages, "lines": [asdict(line) for line in lines]}, indent=1) + "\n"
    )
    return int(outages > 0 or any(set(line.statuses) != {200} for line in lines[:2]))


async def measure(url: str, devices: int, floods: int, rate: int) -> list[Line]:
    """Heartbeats in quiet, heartbeats during the floods, and the sign-ins themselves."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(url, connector=connector, timeout=LONGEST) as session:
        beats = Beats(session, devices, rate)
        await beats.during(asyncio.sleep(1))  # connections, caches, plans
        await sign_in(session, 0)
        quiet = await beats.during(asyncio.sleep(floods))
        sign_ins: list[Call] = []
        busy = await beats.during(flood(session, floods, sign_ins))
    return [
        line("heartbeats in quiet", quiet),
        line(f"heartbeats while {AT_ONCE} sign in", busy),
        line("sign-ins", sign_ins),
    ]


class Beats:
    """Devices in turn, each on time whether or not the ones before were answered."""

    def __init__(self, session: aiohttp.ClientSession, devices: int, rate: int) -> None:
        self._session, self._devices, self._rate, self._next = session, devices, rate, 0

    async def during(self, what: Awaitable[object]) -> list[Call]:
        """The heartbeats that came due while this went on."""
        over, beating = asyncio.ensure_future(what), []
        due = time.monotonic()
        while not over.done():
            self._next = self._next % self._devices + 1
            headers = {"Authorization": f"Bearer {fill.key_of(self._next)}"}
            beat = self._session.post("/api/v1/heartbeat", headers=headers)
            beating.append(asyncio.create_task(timed(beat, due)))
            due += 1 / self._rate
            await asyncio.sleep(max(0, due - time.monotonic()))
        await over
        return await asyncio.gather(*beating)


async def flood(session: aiohttp.ClientSession, floods: int, answered: list[Call]) -> None:
    """All at once, each second, or as soon as the former were answered."""
    for number in range(floods):
        next_at = time.monotonic() + 1
        those = range(number * AT_ONCE + 1, (number + 1) * AT_ONCE + 1)
        answered += await asyncio.gather(*[sign_in(session, caller) for caller in those])
        await asyncio.sleep(max(0, next_at - time.monotonic()))


async def sign_in(session: aiohttp.ClientSession, caller: int) -> Call:
    """With a password that is wrong, by a name and from an address that nobody else has."""
    address = f"198.18.{caller // 256}.{caller % 256}"  # of those for benchmarks: RFC 2544
    form = {
        "login": f"somebody-{caller}",
        "password": "a password that is wrong",
        "csrfmiddlewaretoken": TOKEN,
    }
    headers = {"X-Forwarded-For": address, "Cookie": f"csrftoken={TOKEN}"}
    return await timed(
        session.post("/sign-in/", data=form, headers=headers, allow_redirects=False), time.monotonic()
    )


async def timed(call: Callable[[], object] | aiohttp.client._RequestContextManager, since: float) -> Call:
    try:
        async with call as answer:  # type: ignore[union-attr]
            await answer.read()
            status = answer.status
    except (aiohttp.ClientError, TimeoutError):
        status = 0
    return status, (time.monotonic() - since) * 1000


def line(name: str, calls: list[Call]) -> Line:
    times = sorted(taken for _, taken in calls)
    statuses = dict(sorted(Counter(status for status, _ in calls).items()))
    return Line(name, len(calls), statuses, times[len(times) // 2], times[len(times) * 99 // 100], times[-1])


def said(line: Line) -> str:
    statuses = ", ".join(f"{number} x {status or 'none'}" for status, number in line.statuses.items())
    figures = f"p50 {line.p50:7,.1f} ms  p99 {line.p99:7,.1f} ms  longest {line.longest:7,.1f} ms"
    return f"{line.name:32}{line.calls:6,}  {figures}  ({statuses})"
