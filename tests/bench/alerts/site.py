"""A site of many devices on the VPN, with rules, that loses and finds its devices; and its teller."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Self

import psutil
from django.db import connection
from django.db.models.functions import Least

from devices import clock, connectivity
from devices.alerts import levels, rule_values, rules
from devices.alerts.parameters import OfStatus
from devices.alerts.rule_values import Step
from devices.connectivity import ingest_processes
from devices.integrity import counters
from devices.listing.filters import Tag
from devices.listing.kept_list import KeptFilters
from devices.models import AlertRule, AlertTarget, Condition, Severity, Teller
from devices.models import Listening as Ledger
from devices.rules.vocabulary import Status
from devices.status.expressions import definition
from fleets.models import Organization
from tests.bench.fill import FLEET_SIZE, execute, fill, uuid_of
from tests.bench.options import ROOT
from tests.bench.processes import serving

SERVERS: Final = ("vpn-1", "vpn-2", "vpn-3", "vpn-4")
SIGN: Final = 10.0  # seconds between two signs of life of a VPN server
BATCH: Final = 1_000  # devices of one report of a VPN server
LOST: Final = (Status.OFFLINE, Status.HEARTBEAT_ONLY, Status.VPN_ONLY)
NOW: Final = Tag("bench", "now")  # of those of which a rule tells at once
PATIENCE: Final = 60.0  # seconds until a process has done what it begins with
# Every device is Online by both links; none has alerts.
ALIKE: Final = """
UPDATE devices_device SET update_progress = NULL, is_active = true, vpn_enabled = true
"""
# With the triggers of devices, since rules look for tags in what these keep of them.
UNTAGGED: Final = "UPDATE devices_device SET tags = '{}' WHERE tags <> '{}'"
TAGGED: Final = """
UPDATE devices_device SET tags = '{"bench": "now"}' WHERE id <= %(alone)s
"""
LATE: Final = """
UPDATE devices_heartbeat
SET late_at = %(deadline)s, due_at = %(deadline)s, lost_at = %(deadline)s + interval '1 hour'
WHERE device_id = %(device)s
"""
FIRST: Final = 12.0  # seconds until the first of them is late
APART: Final = 4.0  # seconds between two
EMPTY: Final = """
TRUNCATE devices_alertrule, devices_alerttarget, devices_incident, devices_incidentmember,
    devices_alertmessage, devices_signal, devices_listener, devices_teller,
    devices_outage, devices_listening, devices_listeningprocess CASCADE
"""


@dataclass(frozen=True)
class Size:
    """The first `alone` of `devices` are lost one by one, the others within `seconds`; rules have this
    delay, hold and gathering at most, in seconds.
    """

    devices: int
    seconds: int
    alone: int
    rules: int
    delay: int


def prepare(size: Size) -> None:
    """All devices have their heartbeat, and nobody wants to be told anything."""
    fill(size.devices)
    execute(definition())
    execute(EMPTY)
    execute("ALTER TABLE devices_device DISABLE TRIGGER USER")
    execute(ALIKE)
    execute("ALTER TABLE devices_device ENABLE TRIGGER USER")
    execute(UNTAGGED)
    execute(TAGGED, alone=size.alone)
    counters.recount()


def make_rules(size: Size) -> None:
    """Those that come with the product, one that tells at once of a few, and others of a fleet each."""
    organization = Organization.objects.get()
    rules.ship(organization)
    page = AlertTarget.objects.get(organization=organization, kind=AlertTarget.Kind.PAGE)
    lost, fleets = OfStatus(LOST), size.devices // FLEET_SIZE + 1
    at_once = {"delay": timedelta(), "hold": timedelta(), "gather": timedelta()}
    scopes = [("At once", KeptFilters(tags=(NOW,)), at_once)]
    left = size.rules - len(rules.SHIPPED) - 1
    scopes += [(f"Rule {n}", KeptFilters(fleets=(f"fleet-{1 + n % fleets}",)), {}) for n in range(left)]
    for name, scope, times in scopes:
        told = {"scope": scope, "parameters": lost, "steps": [Step(timedelta(), [page])]}
        wanted = rule_values.usual(name, Condition.STATUS, Severity.WARNING, **told, **times)
        rule = rules.create(organization=organization, wanted=wanted, actor=None)
        if scope.tags and levels.covered(rule).count() != size.alone:
            raise RuntimeError("The rule that tells at once is not about the devices that are lost alone.")
    sooner = {name: Least(name, size.delay) for name in ("delay", "hold", "gather")}
    AlertRule.objects.update(**sooner)


def connect(numbers: Sequence[int]) -> None:
    """VPN servers report that these devices are there."""
    for server, uuids in _batches(numbers):
        connectivity.vpn_connected(server, uuids)


def disconnect(numbers: Sequence[int]) -> None:
    """VPN servers report that these devices are gone; each still has its heartbeat."""
    for server, uuids in _batches(numbers):
        connectivity.vpn_disconnected(server, uuids)


def make_late(numbers: Sequence[int]) -> list[datetime]:
    """Let heartbeats of these devices become late one after the other; gives when.

    The first deadline is further away than the teller ever pauses, so the teller knows of it when it passes.
    """
    began = clock.now() + timedelta(seconds=FIRST)
    deadlines = [began + timedelta(seconds=APART * place + random.random()) for place in range(len(numbers))]
    for number, deadline in zip(numbers, deadlines, strict=True):
        execute(LATE, device=number, deadline=deadline)
    return deadlines


def _batches(numbers: Sequence[int]) -> Iterator[tuple[str, list[str]]]:
    for place, server in enumerate(SERVERS):
        mine = [uuid_of(number) for number in numbers if number % len(SERVERS) == place]
        for start in range(0, len(mine), BATCH):
            yield server, mine[start : start + BATCH]


@contextmanager
def listening() -> Iterator[None]:
    """The ingest listens and VPN servers report while the block runs; both have begun to."""
    with serving("devices.ingest.asgi:app", 1), VpnServers():
        wait_until_concluded(clock.now())
        yield


def wait_until_concluded(at: datetime) -> None:
    """Wait until the ingest has listened until then, so that a round decides up to there."""
    ingest_processes.ask_for_signs()
    ends = time.monotonic() + PATIENCE
    while not Ledger.objects.filter(pulse_at__gte=at).exists():
        if time.monotonic() > ends:
            raise RuntimeError("The ingest leaves no liveness sign.")
        time.sleep(0.01)


class VpnServers:
    """The VPN servers give signs of life while the block runs."""

    def __init__(self) -> None:
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._sign()  # before devices connect, so that they belong to this life of the servers
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._ended.wait(SIGN):
                self._sign()
        finally:
            connection.close()  # this thread's own

    def _sign(self) -> None:
        for server in SERVERS:
            connectivity.vpn_alive(server, boot="bench")


@contextmanager
def telling() -> Iterator[psutil.Popen]:
    """`tell --watch` inside this block, which has run its first round."""
    environment = os.environ | {"DATABASE_ROLE": "application"}
    command = [sys.executable, "manage.py", "tell", "--watch"]
    before = Teller.objects.values_list("ended_at", flat=True).first()
    process = psutil.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        ends = time.monotonic() + PATIENCE
        while Teller.objects.values_list("ended_at", flat=True).first() == before:
            if process.poll() is not None or time.monotonic() > ends:
                raise RuntimeError("The teller did not start.")
            time.sleep(0.1)
        yield process
    finally:
        process.terminate()
        process.wait(PATIENCE)
