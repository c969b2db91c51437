"""A whole run: filling, loads, ceilings, comparing acknowledged polls, and the table."""

from __future__ import annotations

import sys
import time
from functools import partial

from devices import clock
from tests.bench import ceilings, fill, report
from tests.bench.acknowledged import Count, count
from tests.bench.entity_tags import entity_tags
from tests.bench.load import Drive
from tests.bench.measure import Figures, of_load, of_single_updates, of_updates
from tests.bench.options import Options
from tests.bench.processes import Postgres, serving

INGEST = "devices.ingest.asgi:app"
CALLS = {  # of load.lua
    "heartbeat": "heartbeat (native)",
    "poll": "state poll, 304 (supervisor)",
    "report": "report of progress (native)",
    "end_of_update": "report that changes the status (native)",
}
POLLS = ("heartbeat", "poll")
EMPTY = "tests.bench.empty:app"
WARM_UP = 1  # seconds, for connections, caches and plans
PAUSE = 0.5  # seconds, in which what the warm-up left under way ends


def run(options: Options) -> int:
    """Measure, print and write a run; the exit status, which is 1 if something failed or was lost."""
    say(f"{options.devices:,} devices in the database {options.database}:")
    fill.fill(options.devices)
    say(f"Loads of {options.seconds} s over {options.connections} connections ...")
    lines, counts = ingest(options)
    lines += ceiling(options)
    kept = report.keep(options, lines, counts)
    say(f"\n{report.table(lines)}\n\n{report.conclusions(lines, counts)}\n\nKept in {kept}")
    return int(any(line.errors for line in lines) or not all(each.right for each in counts.values()))


def ingest(options: Options) -> tuple[list[Figures], dict[str, Count]]:
    """Measure each call of devices by itself, and compare acknowledged polls with the database."""
    postgres, lines, counts = Postgres(), [], {}
    with serving(INGEST, options.processes) as servers, entity_tags(servers.url, options.devices) as tags:
        drive = Drive(servers.url, options.devices, options.connections, tags)
        for call, name in CALLS.items():
            drive.run(call, WARM_UP)
            time.sleep(PAUSE)
            since = clock.now()
            figures, load = of_load(name, partial(drive.run, call, options.seconds), postgres, servers)
            lines.append(figures)
            if call in POLLS:
                counts[name] = count(load, options.devices, since)
    return lines, counts


def ceiling(options: Options) -> list[Figures]:
    """Measure the ceilings of the machine in the same way as loads."""
    postgres = Postgres()
    with serving(EMPTY, options.processes) as servers:
        drive = Drive(servers.url, options.devices, options.connections)
        empty, _ = of_load(
            "empty ASGI app", partial(drive.run, "heartbeat", options.seconds), postgres, servers
        )
    one = partial(ceilings.update_one, options.seconds)
    update = partial(ceilings.update_heartbeats, options.devices, options.seconds, options.processes)
    return [
        empty,
        of_single_updates("PostgreSQL, one heartbeat, one connection", one, postgres),
        of_updates(f"PostgreSQL, {ceilings.BATCH} heartbeats a batch", update, postgres),
    ]


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
