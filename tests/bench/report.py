"""The table that a run prints, and the file that it writes."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.db import connection

from devices import clock
from tests.bench.acknowledged import Count
from tests.bench.measure import Figures
from tests.bench.options import Options

COLUMNS = (
    ("rate", "per second", 11, 0),
    ("p50", "p50 ms", 8, 1),
    ("p99", "p99 ms", 8, 1),
    ("errors", "errors", 7, 0),
    ("server_cpu", "CPU us: ours", 13, 0),
    ("database_cpu", "PostgreSQL", 11, 0),
    ("driver_cpu", "wrk", 5, 0),
    ("wal", "WAL bytes", 10, 0),
    ("memory", "peak MB", 8, 0),
)
NAME = 40


def table(lines: list[Figures]) -> str:
    heads = " " * NAME + "".join(head.rjust(width) for _, head, width, _ in COLUMNS)
    return "\n".join([heads, *(row(line) for line in lines)])


def row(line: Figures) -> str:
    values = asdict(line)
    cells = (cell(values[name], digits).rjust(width) for name, _, width, digits in COLUMNS)
    return line.name.ljust(NAME) + "".join(cells)


def cell(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def conclusions(lines: list[Figures], counts: dict[str, Count]) -> str:
    """Sentences that compare the loads with the ceilings, and acknowledged polls with the database."""
    heartbeat, empty, one, updates = lines[0], lines[-3], lines[-2], lines[-1]
    share = (
        f"Heartbeats come at {heartbeat.rate / empty.rate:.0%} of the rate of an empty ASGI app,"
        f" and at {heartbeat.rate / updates.rate:.0%} of PostgreSQL's own."
    )
    times = (heartbeat.p50 or 0) / (one.p50 or 1)
    wait = f"A heartbeat takes {times:.1f} times as long as an update of its row alone."
    counted = [
        f"{name}: {each.acknowledged:,} devices were answered, {each.recorded:,} are in the database"
        f" ({each.sent:,} were sent): {'none lost.' if each.right else 'WRONG.'}"
        for name, each in counts.items()
    ]
    return "\n".join([share, wait, *counted])


def keep(options: Options, lines: list[Figures], counts: dict[str, Count]) -> Path:
    """Write the run to a file below var/bench, and return its path."""
    at = clock.now()
    content = {
        "at": at.isoformat(),
        "options": {
            "devices": options.devices,
            "seconds": options.seconds,
            "connections": options.connections,
            "processes": options.processes,
        },
        "machine": machine(),
        "figures": [asdict(line) for line in lines],
        "acknowledged": {name: asdict(each) | {"right": each.right} for name, each in counts.items()},
    }
    file = options.state / "bench" / f"{at:%Y%m%d-%H%M%S}-{options.devices}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content, indent=1) + "\n")
    return file


def machine() -> dict[str, Any]:
    """The machine, versions and settings that figures depend on."""
    wanted = ("server_version", "fsync", "synchronous_commit", "full_page_writes", "shared_buffers")
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, current_setting(name) FROM unnest(%s::text[]) AS name", [list(wanted)])
        postgres = dict(cursor.fetchall())
    return {"processors": os.cpu_count(), "python": platform.python_version(), "postgres": postgres}
