"""The calls that are accepted in each second after an outage of ours, beside those of the seconds before."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from statistics import median
from typing import Final

from devices.models import Listening, Outage
from tests.bench import fill
from tests.bench.load import Drive
from tests.bench.measure import Meter
from tests.bench.options import Options
from tests.bench.processes import Postgres, Servers, serving
from tests.bench.report import cell
from tests.bench.run import INGEST, WARM_UP, say

LONGEST: Final = 900  # seconds until it has to be closed
ENOUGH: Final = 0.8  # of what a usual second accepts
AGO: Final = "UPDATE devices_listening SET pulse_at = statement_timestamp() - %(away)s * interval '1 second'"


@dataclass
class Seconds:
    """The accepted calls of each whole second, by the second of the epoch."""

    accepted: dict[int, int] = field(default_factory=dict)

    def read(self, lines: Iterator[str]) -> None:
        """Note what load.lua prints, until it ends."""
        for line in lines:
            if line.startswith("SECOND "):
                _, second, accepted = line.split()
                self.accepted[int(second)] = int(accepted)

    def whole(self) -> list[int]:
        """In order, with seconds without an answer, without the first, which had begun before."""
        first, last = min(self.accepted) + 1, max(self.accepted)
        return [self.accepted.get(second, 0) for second in range(first, last + 1)]


@dataclass(frozen=True)
class Measured:
    """A load of heartbeats: those accepted in each second, and what each cost."""

    seconds: list[int]
    wal: float  # bytes a call
    server_cpu: float  # microseconds a call
    database_cpu: float | None
    memory: float  # megabytes, the most of a process


def run(options: Options, away: int) -> None:
    """Measure an outage of `away` seconds, print and keep."""
    say(f"{options.devices:,} devices in the database {options.database}:")
    fill.fill(options.devices)
    Listening.objects.all().delete()  # what was since the last run is no outage
    with serving(INGEST, options.processes) as servers:
        Drive(servers.url, options.devices, options.connections).run("heartbeat", WARM_UP)
        before = measured(options, servers, lambda: time.sleep(options.seconds))
    say(f"{median(before.seconds):,.0f} heartbeats are accepted in a usual second.")
    pause(away)
    with serving(INGEST, options.processes) as servers:
        after = measured(options, servers, partial(wait, options.seconds, time.monotonic()))
    tell(before, after)
    file = options.state / "bench" / f"outage-{options.devices}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"before": asdict(before), "after": asdict(after)}, indent=1) + "\n")
    say(f"Kept in {file}")


def pause(away: int) -> None:
    """The state after an outage of so many seconds before which every device had polled."""
    fill.refresh_heartbeats(silent=away)
    Outage.objects.all().delete()
    fill.execute(AGO, away=away)
    fill.checkpoint()


def wait(seconds: int, began: float) -> None:
    """Return so many seconds after the outage was closed; prints how long after `began` that was."""
    while not closed():
        if time.monotonic() > began + LONGEST:
            raise RuntimeError(f"The outage was not closed in {LONGEST} s.")
        time.sleep(0.2)
    say(f"The outage was closed after {time.monotonic() - began:.1f} s.")
    time.sleep(seconds)


def closed() -> bool:
    """Whether the outage is over for readings."""
    return Outage.objects.exists() and Listening.objects.filter(returned_at=None).exists()


def measured(options: Options, servers: Servers, during: Callable[[], object]) -> Measured:
    """What a load of heartbeats came to while `during` ran.

    It begins with a checkpoint, after which each page that changes is written as a whole once: otherwise one
    load had it on its way, and the other had not.
    """
    fill.checkpoint()
    meter = Meter(Postgres(), servers)
    with load(options, servers) as seconds:
        during()
    calls = max(1, sum(seconds.accepted.values()))
    return Measured(
        seconds=seconds.whole(),
        wal=meter.wal(calls),
        server_cpu=meter.server_cpu(calls) or 0.0,
        database_cpu=meter.database_cpu(calls),
        memory=servers.peak_memory(),
    )


@contextmanager
def load(options: Options, servers: Servers) -> Iterator[Seconds]:
    """Heartbeats while the block runs."""
    drive, seconds = Drive(servers.url, options.devices, options.connections), Seconds()
    command, environment = drive.command("heartbeat", 2 * LONGEST), os.environ | {"BY_SECOND": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as wrk:
        assert wrk.stdout is not None
        reader = threading.Thread(target=seconds.read, args=[wrk.stdout])
        reader.start()
        try:
            yield seconds
        finally:
            wrk.send_signal(signal.SIGINT)
            reader.join()


def tell(before: Measured, after: Measured) -> None:
    """Print each second after the outage beside a usual one, and the cost of a heartbeat beside the usual."""
    usual = median(before.seconds)
    for number, accepted in enumerate(after.seconds, 1):
        say(f"second {number:4}: {accepted:7,} accepted, {accepted / usual:4.0%} of a usual second")
    for words, each in (("before", before), ("after", after)):
        shares = [accepted / usual for accepted in each.seconds]
        few, least = sum(share < ENOUGH for share in shares), min(shares)
        database = cell(each.database_cpu, 0)
        say(f"{words}: {few} of {len(shares)} seconds had less than {ENOUGH:.0%}, the least {least:.0%};")
        say(
            f"a heartbeat took {each.server_cpu:,.0f} us of a process, {database} us of PostgreSQL and"
            f" {each.wal:,.0f} bytes of WAL; a process took {each.memory:,.0f} MB at most."
        )
