"""`make bench relay`: what the relay adds to the time of a state poll, beside an API that takes 80 ms.

Polls come at a fixed rate, whether they are answered or not, half a run straight to the API and half through
the relay, in turns.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import aiohttp
import django

from dashboard.listen import HOST
from tests.bench import database
from tests.bench.options import ROOT, from_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

RATE: Final = int(os.environ.get("RATE", "500"))  # polls in a second
SECONDS: Final = int(os.environ.get("SECONDS", "10"))  # of a turn
TURNS: Final = int(os.environ.get("TIMES", "3"))  # of each way
DEVICES: Final = int(os.environ.get("DEVICES", "10000"))
TAKES: Final = 0.08  # seconds that the API needs
GOAL: Final = 10.0  # milliseconds that the relay may add to the 99th percentile
RELAY_HOST: Final = "api.bench.example"


def uuid_of(number: int) -> str:
    return f"be{number:030x}"


# The API, a process of its own


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer polls on a connection, each after TAKES seconds."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            uuid = head.split(b"/", 4)[3].decode()
            await asyncio.sleep(TAKES)
            body = json.dumps({uuid: {"config": {"RESIN_SUPERVISOR_POLL_INTERVAL": "600000"}, "apps": {}}})
            writer.write(b'HTTP/1.1 200 OK\r\nETag: "x"\r\nContent-Length: %d\r\n\r\n' % len(body))
            writer.write(body.encode())
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def api() -> None:
    server = await asyncio.start_server(answer, HOST, 0, backlog=1024)
    say(server.sockets[0].getsockname()[1])  # to the process that started it
    await server.serve_forever()


# The load, in this process


async def polls(url: str, session: aiohttp.ClientSession) -> list[float]:
    """The milliseconds that the polls of a turn took, from the moment at which each was due."""
    loop, took = asyncio.get_running_loop(), list[float]()

    async def poll(number: int, due: float) -> None:
        await asyncio.sleep(due - loop.time())
        uuid = uuid_of(number % DEVICES)
        headers = {"Host": RELAY_HOST, "User-Agent": "Supervisor/19.0.5", "Authorization": f"Bearer k-{uuid}"}
        async with session.get(f"{url}/device/v3/{uuid}/state", headers=headers) as answered:
            await answered.read()
            assert answered.status == 200, answered.status
        took.append((loop.time() - due) * 1000)

    start = loop.time() + 0.1
    await asyncio.gather(*(poll(number, start + number / RATE) for number in range(RATE * SECONDS)))
    return took


async def compare(straight: str, relayed: str) -> tuple[list[float], list[float]]:
    """The milliseconds of all polls straight to the API, and of those through the relay."""
    ways: tuple[list[float], list[float]] = [], []
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        for url in (straight, relayed):  # once before, so that connections are there
            await polls(url, session)
        for _ in range(TURNS):
            ways[0].extend(await polls(straight, session))
            ways[1].extend(await polls(relayed, session))
    return ways


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@contextmanager
def running_api() -> Iterator[int]:
    command = [sys.executable, "-m", "tests.bench.relay", "api"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()


def make(port: int) -> None:
    """A source with a relay to this port, and its devices."""
    from devices import clock  # noqa: PLC0415  Django is set up by now
    from devices.models import Device, MirroredDevice, Source  # noqa: PLC0415
    from fleets.models import Fleet, Organization  # noqa: PLC0415

    organization = Organization.objects.create(name="Relay", slug=f"relay-{time.time_ns()}")
    fleet = Fleet.objects.create(organization=organization, name="Relay", slug=organization.slug)
    Device.objects.filter(uuid__startswith="be").delete()
    Source.objects.filter(relay_host=RELAY_HOST).delete()
    now = clock.now()
    source = Source.objects.create(
        organization=organization,
        name="Relay",
        address="http://api.example",
        relay_host=RELAY_HOST,
        relay_to=f"http://{HOST}:{port}",
        created_at=now,
    )
    common = {"organization": organization, "fleet": fleet, "is_active": True, "activated_at": now}
    devices = Device.objects.bulk_create(
        (
            Device(
                uuid=uuid_of(n), created_at=now, facts_at=now, facts_reason={"slug": "registered"}, **common
            )
            for n in range(DEVICES)
        ),
        batch_size=5000,
    )
    MirroredDevice.objects.bulk_create(
        (MirroredDevice(device=device, source=source, remote_id=device.pk) for device in devices),
        batch_size=5000,
    )


def written() -> int:
    """How many of the devices have a recent heartbeat."""
    from devices.models import Device  # noqa: PLC0415  Django is set up by now

    return Device.objects.filter(uuid__startswith="be", heartbeat_state="recent").count()


def report(straight: list[float], relayed: list[float], cpu: float) -> None:
    """Print what was measured; `cpu` is in seconds, with those of the turn before."""
    for name, took in (("straight", straight), ("through the relay", relayed)):
        half, most = percentile(took, 0.5), percentile(took, 0.99)
        say(f"{name}: {len(took)} polls, p50 {half:.1f} ms, p99 {most:.1f} ms")
    half, most = (percentile(relayed, share) - percentile(straight, share) for share in (0.5, 0.99))
    say(f"added: p50 {half:.1f} ms, p99 {most:.1f} ms; goal: p99 under {GOAL:.0f} ms at {RATE}/s")
    say(f"{cpu / (RATE * SECONDS * (TURNS + 1)) * 1e6:.0f} µs of a processor for each relayed poll")
    say(f"{written()} of {min(DEVICES, RATE * SECONDS)} devices have a recent heartbeat")


def say(line: object) -> None:
    print(line, flush=True)  # noqa: T201  it talks to a terminal


def main() -> int:
    # Of its own: other benches number their devices themselves.
    os.environ.setdefault("BENCH_DATABASE", "lookout_bench_relay")
    database.choose(from_environment())
    django.setup()
    from django.core.management import call_command  # noqa: PLC0415  Django is set up by now

    from tests.bench.processes import serving  # noqa: PLC0415

    call_command("migrate", verbosity=0)
    with running_api() as port:
        make(port)
        with serving("devices.ingest.asgi:app", 1) as servers:
            before = servers.cpu()
            straight, relayed = asyncio.run(compare(f"http://{HOST}:{port}", servers.url))
            cpu = servers.cpu() - before
    report(straight, relayed, cpu)
    return 0


if __name__ == "__main__":
    if sys.argv[1:] == ["api"]:
        asyncio.run(api())
    else:
        sys.exit(main())
