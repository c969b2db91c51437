"""Change a rule under every device, as a migration and the command after it do, while the devices report.

It is the worst case: each device has another status by the changed rule, so each row is written, with its
history, and the reports come from those devices whose turn it is.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from statistics import median
from typing import Any, Final, Self

from django.db import connection

from devices import connectivity
from devices.integrity import counters, recompute
from devices.models import Device
from devices.operations import reports
from devices.rules.vocabulary import Status
from devices.status.expressions import definition
from tests.bench.fill import execute, fill
from tests.bench.pages.run import say
from tests.bench.rules.example import STRICTER

# Every device is Online by its heartbeat alone.
ALONE: Final = "UPDATE devices_device SET update_progress = NULL, vpn_enabled = false, is_active = true"
METRICS: Final = {"metrics": {"cpu_percent": 12.5, "temperature": 40}}
NEAR: Final = 2 * recompute.BATCH  # devices among which the next one that reports is chosen


@dataclass(frozen=True)
class Waits:
    """How long the polls and reports of others took, in milliseconds."""

    calls: int
    median: float
    longest: float


class Reports:
    """Devices that poll and report one after another, as fast as they can, while the block runs."""

    def __init__(self, devices: int) -> None:
        self.place = 0  # ids begin behind it
        self._devices, self._random = devices, Random(1)
        self._took: list[float] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._report, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def waits(self) -> Waits:
        """Of the calls since this was last asked."""
        took, self._took = self._took, []
        return Waits(len(took), median(took or [0]), max(took, default=0))

    def _report(self) -> None:
        try:
            while not self._ended.is_set():
                device = 1 + (self.place + self._random.randrange(NEAR)) % self._devices
                self._timed(connectivity.record_heartbeats, [device])
                self._timed(reports.apply_reports, [(device, METRICS)])
        finally:
            connection.close()  # this thread's own

    def _timed(self, call: Callable[[Any], object], devices: list[Any]) -> None:
        began = time.perf_counter()
        call(devices)
        self._took.append((time.perf_counter() - began) * 1000)


def run(devices: int, quiet: float, state: Path) -> None:
    """Measures, prints and keeps."""
    prepare(devices)
    with Reports(devices) as others:
        time.sleep(quiet)
        before = others.waits()
        began = time.perf_counter()
        execute(definition(STRICTER))
        replaced = time.perf_counter() - began
        changed, took, longest = changed_by(others)
        during = others.waits()
    require_all(Status.HEARTBEAT_ONLY)
    figures = {"replaced_ms": replaced * 1000, "changed": changed, "seconds": took, "longest_batch": longest}
    say(f"the function was replaced in {replaced * 1000:,.0f} ms")
    batch = longest * 1000
    say(f"{changed:,} devices were brought to it in {took:,.1f} s, a batch in {batch:,.0f} ms at most")
    for words, waits in (("before", before), ("meanwhile", during)):
        say(
            f"{waits.calls:,} polls and reports {words}: {waits.median:,.0f} ms (median), "
            f"{waits.longest:,.0f} ms at most"
        )
    keep(state / "bench" / f"rules-{devices}.json", figures, before=before, meanwhile=during)


def prepare(devices: int) -> None:
    """By the rules of now every device is Online by its heartbeat alone."""
    fill(devices)
    execute(definition())
    execute("ALTER TABLE devices_device DISABLE TRIGGER USER")
    execute(ALONE)
    execute("ALTER TABLE devices_device ENABLE TRIGGER USER")
    execute("VACUUM ANALYZE devices_device")
    counters.recount()
    require_all(Status.ONLINE)


def require_all(status: Status) -> None:
    """RuntimeError where a device has another status."""
    others = Device.objects.exclude(recorded_status=status).count()
    if others:
        raise RuntimeError(f"{others} devices are not {status.label}")


def changed_by(others: Reports) -> tuple[int, float, float]:
    """How many changed, the seconds that it took, and those of the longest batch."""
    began = last = time.perf_counter()
    changed, longest = 0, 0.0
    for step in recompute.steps():
        now = time.perf_counter()
        changed, longest, last = changed + step.changed, max(longest, now - last), now
        others.place = step.last
    return changed, time.perf_counter() - began, longest


def keep(file: Path, figures: dict[str, float], **waits: Waits) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    content = figures | {name: asdict(each) for name, each in waits.items()}
    file.write_text(json.dumps(content, indent=1) + "\n")
    say(f"Kept in {file}")
