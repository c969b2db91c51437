"""What takes long: all devices as a file, and an action over very many; how fast, and the memory it needs."""

from __future__ import annotations

import http.client
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import psutil
from django.conf import settings

from dashboard.models import User
from devices.models import Device, Job
from devices.operations import bulk_actions
from fleets.models import Organization
from tests.bench.options import ROOT
from tests.bench.processes import Servers, peak_of, serving

MOST: Final = 100_000  # devices of an action
TAG: Final = "bench"
FILE: Final = "all devices as a file"
ACTION: Final = "a tag put on many devices, and taken"
CHUNK: Final = 1_000_000  # bytes that are read at once


@dataclass(frozen=True)
class Large:
    """How many devices in how many seconds, and the most megabytes that the process ever had in memory."""

    name: str
    devices: int
    seconds: float
    memory: float

    def __str__(self) -> str:
        rate = self.devices / self.seconds
        return (
            f"{self.name.ljust(44)}{self.devices:>11,} devices in {self.seconds:,.1f} s, {rate:,.0f}/s;"
            f" the process had {self.memory:,.0f} MB at most"
        )


def export(cookie: str) -> Large:
    """All devices as a file, read as fast as it comes, from a server that does nothing else."""
    with serving("dashboard.asgi:pages", 1) as servers:
        return _export(servers, f"{settings.SESSION_COOKIE_NAME}={cookie}", "/devices/devices.csv")


def _export(servers: Servers, cookie: str, path: str) -> Large:
    asking = http.client.HTTPConnection(urlsplit(servers.url).netloc, timeout=600)
    asking.request("GET", path, headers={"Cookie": cookie, "Host": "localhost"})
    began, answer, lines = time.perf_counter(), asking.getresponse(), 0
    if answer.status != http.client.OK:
        raise RuntimeError(f"{path} was answered {answer.status}")
    while part := answer.read(CHUNK):
        lines += part.count(b"\n")
    return Large(FILE, lines - 1, time.perf_counter() - began, servers.peak_memory())


def action() -> Iterator[Large]:
    """Tags very many devices, and takes the tag from them again."""
    with a_worker() as worker:
        for name, said in (
            ("a tag put on many devices", {"put": {TAG: "1"}, "drop": []}),
            ("and taken from them", {"put": {}, "drop": [TAG]}),
        ):
            job, began = start(name, said), time.perf_counter()
            while job.state in (Job.State.WAITING, Job.State.RUNNING):
                time.sleep(0.1)
                job.refresh_from_db()
            if job.state != Job.State.DONE:
                raise RuntimeError(f"“{name}” ended as {job.state}")
            yield Large(name, job.total or 0, time.perf_counter() - began, peak_of(worker.pid) / 1e6)


def start(name: str, said: bulk_actions.Payload) -> Job:
    organization, reader = Organization.objects.get(), User.objects.get(username="reader")
    devices = Device.objects.filter(pk__in=Device.objects.order_by("pk").values("pk")[:MOST])
    selection = bulk_actions.select(organization=organization, devices=devices, listed=None)
    return bulk_actions.start(selection=selection, action="tag", payload=said, title=name, actor=reader)


@contextmanager
def a_worker() -> Iterator[psutil.Popen]:
    own = os.environ | {"DATABASE_ROLE": "application"}
    process = psutil.Popen([sys.executable, "manage.py", "work"], cwd=ROOT, env=own)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)
