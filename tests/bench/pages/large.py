"""What takes long: all devices as a file, and an action over very many; how fast, and the memory it needs."""

from __future__ import annotations

import http.client
import os
import sys
import time
import zlib
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
from tests.bench.peak import peak_of
from tests.bench.processes import Servers, serving

MOST: Final = 100_000  # devices of an action
TAG: Final = "bench"
FILE: Final = "all devices as a file"
ACTION: Final = "a tag put on many devices, and taken"
AROUND: Final = {"csv": 1, "json": 2}  # lines of a file of this kind that are no device
CHUNK: Final = 1_000_000  # bytes that are read at once


@dataclass(frozen=True)
class Large:
    """How many devices in how many seconds, of these how many of the process' own, and the most megabytes
    that it ever had in memory."""

    name: str
    devices: int
    seconds: float
    processor: float
    memory: float

    def __str__(self) -> str:
        rate = self.devices / self.seconds
        return (
            f"{self.name.ljust(44)}{self.devices:>11,} devices in {self.seconds:,.1f} s, {rate:,.0f}/s;"
            f" the process took {self.processor:,.1f} s and had {self.memory:,.0f} MB at most"
        )


def export(cookie: str) -> Iterator[Large]:
    """All devices as a file of each kind, read as fast as it comes, from a server that does nothing else."""
    with serving("dashboard.asgi:pages", 1) as servers:
        for kind in AROUND:
            for encoding in ("identity", "gzip"):
                asked = {"Cookie": f"{settings.SESSION_COOKIE_NAME}={cookie}", "Accept-Encoding": encoding}
                words = f"{FILE}, {kind}" + ", compressed" * (encoding == "gzip")
                yield _export(servers, words, f"/devices/devices.{kind}", asked)


def _export(servers: Servers, name: str, path: str, asked: dict[str, str]) -> Large:
    connection = http.client.HTTPConnection(urlsplit(servers.url).netloc, timeout=600)
    spent, began = servers.cpu(), time.perf_counter()
    connection.request("GET", path, headers={"Host": "localhost", **asked})
    answer, lines = connection.getresponse(), 0
    if answer.status != http.client.OK:
        raise RuntimeError(f"{path} was answered {answer.status}")
    unpacking = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    compressed = answer.headers["Content-Encoding"] == "gzip"
    while part := answer.read(CHUNK):
        lines += (unpacking.decompress(part) if compressed else part).count(b"\n")
    seconds, spent = time.perf_counter() - began, servers.cpu() - spent
    return Large(name, lines - AROUND[path.rpartition(".")[2]], seconds, spent, servers.peak_memory())


def action() -> Iterator[Large]:
    """Tags very many devices, and takes the tag from them again."""
    with a_worker() as worker:
        for name, said in (
            ("a tag put on many devices", {"put": {TAG: "1"}, "drop": []}),
            ("and taken from them", {"put": {}, "drop": [TAG]}),
        ):
            spent = sum(worker.cpu_times()[:2])
            job, began = start(name, said), time.perf_counter()
            while job.state in (Job.State.WAITING, Job.State.RUNNING):
                time.sleep(0.1)
                job.refresh_from_db()
            if job.state != Job.State.DONE:
                raise RuntimeError(f"“{name}” ended as {job.state}")
            seconds, spent = time.perf_counter() - began, sum(worker.cpu_times()[:2]) - spent
            yield Large(name, job.total or 0, seconds, spent, peak_of(worker.pid) / 1e6)


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
