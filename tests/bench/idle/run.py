"""A site as `make run` starts it, virtual devices that poll every 15 min, and what its processes take."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import msgspec
import psutil
from django.db import connection, transaction

from devices import connectivity, keys
from devices.operations import lifecycle
from devices.simulator.keyfile import FleetKeys, KeyFile, KnownDevice, write_private
from fleets.models import Fleet, Organization
from tests.bench.idle.processes import Line, watch
from tests.bench.processes import Postgres
from tests.pictures.site import wait

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bench.options import Options

POLL_INTERVAL: Final = 900  # seconds
CPU: Final = 1.0  # percent of a core at most, of all processes together
MEMORY: Final = 400.0  # megabytes at most
FIRST: Final = 20  # seconds in which each device tells once what it is
WARM_UP: Final = 30.0  # seconds in which devices connect again and processes load what they need
SLOW: Final = "0.001"  # of the simulator: next to nothing befalls a device but its polls
NAME: Final = 60
# The simulator's command with one VPN server, as such a site has; its own organization has four.
SIMULATE: Final = """
import sys
from django.core.management import execute_from_command_line
from devices.simulator import run
run.SERVERS = run.SERVERS[:1]
execute_from_command_line(["manage.py", *sys.argv[1:]])
"""


def run(options: Options, site: Path) -> None:
    """Measures, prints and keeps."""
    with served(site) as (url, process):
        write_private(site / "keys.json", msgspec.json.encode(make_devices(options.devices)))
        postmaster = Postgres().postmaster
        connection.close()
        with simulated(url, site, FIRST, "--duration", str(FIRST)) as simulator:
            simulator.wait()
        with simulated(url, site, POLL_INTERVAL) as simulator:
            time.sleep(WARM_UP)
            roots = [psutil.Process(process.pid), *([postmaster] if postmaster else [])]
            lines = watch(roots, options.seconds)
            if simulator.poll() is not None:
                raise SystemExit("The simulator ended.")
    say(lines)
    keep(options, lines)


@contextmanager
def served(site: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The address of a new site inside this block, and the process that is the root of all of it."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    program = [sys.executable, "-m", "dashboard.postgres", sys.executable, "-m", "dashboard.serve"]
    with ended([*program, "--port", str(port)], site / "site.log") as process:
        url = f"http://127.0.0.1:{port}"
        wait(url, process)
        yield url, process


@contextmanager
def simulated(url: str, site: Path, interval: int, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """The devices of the key file live inside this block, and poll every so many seconds."""
    files = ["--keys", str(site / "keys.json"), "--state", str(site / "simulator.json")]
    lives = ["--devices", "0", "--poll-interval", str(interval), "--speed", SLOW, "--verbosity", "0"]
    program = [sys.executable, "-c", SIMULATE, "simulate", "--url", url, *files, *lives, *options]
    with ended(program, site / "simulator.log") as process:
        yield process


@contextmanager
def ended(program: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program that runs inside this block and is asked to end after it."""
    with (
        log.open("w") as said,
        subprocess.Popen(
            program, stdout=said, stderr=said, env=os.environ, start_new_session=True
        ) as process,
    ):
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)


@transaction.atomic
def make_devices(number: int) -> KeyFile:
    """An organization with that many devices, all of which polled just now, and their keys."""
    organization = Organization.objects.create(name="Small", slug="small")
    fleet = Fleet.objects.create(
        organization=organization, name="Fleet", slug="fleet", poll_interval=POLL_INTERVAL, vpn_enabled=True
    )
    devices = [
        lifecycle.register(fleet=fleet, uuid=f"{n:032x}", name=f"device-{n}") for n in range(1, number + 1)
    ]
    known = [
        KnownDevice(uuid=each.uuid, key=keys.new_device_key(each), fleet=fleet.slug, name=each.name)
        for each in devices
    ]
    connectivity.record_heartbeats([each.pk for each in devices])
    return KeyFile(
        organization=organization.slug,
        service_key=keys.new_service_key(organization, "bench"),
        fleets=(FleetKeys(slug=fleet.slug, provisioning_key=""),),
        devices=tuple(known),
    )


def say(lines: list[Line]) -> None:
    """A row for each process, the sums, and the limits that they are held against."""
    cpu, memory = sum(line.cpu for line in lines), sum(line.memory for line in lines)
    table = [f"{'':{NAME}}  PSS MB   CPU %"]
    table += [row(line.name, line.memory, line.cpu) for line in lines]
    table += [row("together", memory, cpu), row("may take less than", MEMORY, CPU)]
    sys.stdout.write("\n".join(table) + "\n")


def row(name: str, memory: float, cpu: float) -> str:
    return f"{name[:NAME]:{NAME}}{memory:8.1f}{cpu:8.2f}"


def keep(options: Options, lines: list[Line]) -> None:
    """Beside what the other measurements keep."""
    file = options.state / "bench" / "idle.json"
    content = {
        "at": time.strftime("%FT%TZ", time.gmtime()),
        "devices": options.devices,
        "seconds": options.seconds,
        "processes": [asdict(line) for line in lines],
    }
    file.write_text(json.dumps(content, indent=1) + "\n")
