"""`make bench mirror`: how long sweeps of a source take, and how much memory the process that sweeps needs.

Each sweep is a process of its own. The server that it reads is another one, which answers as was recorded.
The process has most of its memory before it reads anything: the code of Lookout and of Django. What the sweep
adds to it is printed beside the whole, which is what the goal is about.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import django

from tests.bench import database
from tests.bench.options import ROOT, from_environment
from tests.bench.peak import peak_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.devices.sources.api import Row

    Ask = Callable[[], None]

DEVICES: Final = int(os.environ.get("DEVICES", "10000"))
SECONDS: Final = 60  # that a sweep may take
MEMORY: Final = 100  # megabytes that its process may have
# What each sweep reads, and whether all devices have changed there since the one before.
SWEEPS: Final = (
    ("whole, all devices new", "whole", False),
    ("whole, nothing changed", "whole", False),
    ("whole, all devices changed", "whole", True),
    ("quick, nothing changed", "quick", False),
    ("quick, all links changed", "quick", True),
)

# The server, a process of its own


def rows(like: list[Row], at: datetime) -> list[Row]:
    """So many devices, alike but for their ids, their UUIDs, and when their links changed in 30 days."""
    return [
        like[n % len(like)] | {"id": n + 1, "uuid": f"{n:032x}"} | changed_at(at - timedelta(hours=n % 720))
        for n in range(DEVICES)
    ]


def changed_at(at: datetime) -> Row:
    """The fields of a device whose links changed at `at`."""
    text = f"{at:%Y-%m-%dT%H:%M:%S}.000Z"
    return {"changed_api_heartbeat_state_on__date": text, "last_vpn_event": text}


def change(device: Row, at: datetime) -> None:
    """Let its heartbeat, its VPN and its release change."""
    state = "offline" if device["api_heartbeat_state"] == "online" else "online"
    vpn, managed = not device["is_connected_to_vpn"], {"__id": 1}
    device |= changed_at(at) | {"api_heartbeat_state": state, "is_connected_to_vpn": vpn}
    device |= {"is_managed_by__service_instance": managed if vpn else None, "os_version": f"{at}"}


def serve() -> None:
    """Say the address, then let all devices change whenever a line comes, and say so."""
    from tests.devices.sources.api import BalenaApi, serving  # noqa: PLC0415  no part of what a sweep needs

    api = BalenaApi()
    api.devices = rows(api.devices, datetime.now(UTC))
    with serving(api):
        say(api.address)
        for _ in sys.stdin:
            api.at = datetime.now(UTC)
            for device in api.devices:
                change(device, api.at)
            say("changed")


# A sweep, a process of its own


def sweep_once(kind: str) -> None:
    """Sweep, and say the seconds, the most megabytes, how many of them the sweep added, and what it wrote."""
    from devices.models import Source  # noqa: PLC0415  Django is set up by now
    from devices.sources.rounds import told  # noqa: PLC0415
    from devices.sources.sweep import sweep  # noqa: PLC0415

    source = Source.objects.select_related("organization").get(name="bench")
    before, began = peak_of(os.getpid()), time.monotonic()
    outcome = sweep(source, whole=kind == "whole")
    took = time.monotonic() - began
    if outcome.written is None:
        sys.exit(told(source, outcome))
    most = peak_of(os.getpid())
    say(f"{took:.1f} {most / 1e6:.0f} {(most - before) / 1e6:.0f} {told(source, outcome)}")


# All of it


@contextmanager
def running_server() -> Iterator[tuple[str, Ask]]:
    """The address of the server, and what lets all of its devices change."""
    command = [sys.executable, "-m", "tests.bench.mirror", "serve"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        said, asked = process.stdout, process.stdin
        assert said is not None
        assert asked is not None

        def let_change() -> None:
            asked.write("\n")
            asked.flush()
            said.readline()

        try:
            yield said.readline().strip(), let_change
        finally:
            process.terminate()


def make(address: str) -> None:
    """The source at this address, with nothing read yet."""
    from devices.models import Source  # noqa: PLC0415  Django is set up by now
    from devices.sources import settings  # noqa: PLC0415
    from fleets.models import Organization  # noqa: PLC0415
    from tests.devices.sources.api import TOKEN  # noqa: PLC0415

    for source in Source.objects.filter(name="bench"):
        settings.remove(source=source, actor=None)
    slug = f"mirror-{time.time_ns()}"
    organization = Organization.objects.create(name=slug, slug=slug)
    wanted = settings.Wanted(name="bench", address=address, token=TOKEN)
    settings.add(organization=organization, wanted=wanted, known={}, actor=None)


def measured(kind: str) -> tuple[float, int, int, str]:
    """The seconds of a sweep, the most megabytes, how many of them it added, and what it wrote."""
    command = [sys.executable, "-m", "tests.bench.mirror", kind]
    run = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    seconds, memory, added, told = run.stdout.split(maxsplit=3)
    return float(seconds), int(memory), int(added), told.strip()


def say(line: object) -> None:
    print(line, flush=True)  # noqa: T201  it talks to a terminal


def main() -> int:
    # Of its own: other benches number their devices themselves.
    os.environ.setdefault("BENCH_DATABASE", "lookout_bench_mirror")
    database.choose(from_environment())
    django.setup()
    from django.core.management import call_command  # noqa: PLC0415  Django is set up by now

    call_command("migrate", verbosity=0)
    over = False
    with running_server() as (address, let_change):
        make(address)
        for name, kind, changed in SWEEPS:
            if changed:
                let_change()
            seconds, memory, added, told = measured(kind)
            over |= seconds > SECONDS or memory > MEMORY
            say(f"{name}: {seconds:.1f} s, {memory} MB, of which the sweep added {added} MB; {told}")
    say(f"goals for {DEVICES:,} devices: {SECONDS} s, and {MEMORY} MB: {'MISSED' if over else 'met'}")
    return 0


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve"]:
            serve()
        case [kind]:
            django.setup()
            sweep_once(kind)
        case _:
            sys.exit(main())
