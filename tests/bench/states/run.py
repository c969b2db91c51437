"""Each condition for all, for none and for one in a thousand: how long lists take, and what they read."""

from __future__ import annotations

import json
import re
import statistics
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.bench.pages.cases import LIMITS
from tests.bench.pages.fill import fill
from tests.bench.pages.run import signed_in
from tests.bench.states.conditions import CONDITIONS, HOLDS, ORDERS
from tests.bench.states.fill import become

if TYPE_CHECKING:
    from django.test import Client

    from tests.bench.options import Options

LATER: Final = 500  # milliseconds for filters that no index answers
SLOW: Final = ("type", "OS", "release", "words")  # these conditions
LACKING: Final = "no-tag="  # and what a device has not
PAGES: Final = ("/", "/attention/")  # besides the lists


@dataclass(frozen=True)
class Line:
    """What one page took in milliseconds, and the pages of 8 kB that its longest query looked at."""

    condition: str
    holds: str
    path: str
    p50: float
    limit: float
    buffers: int

    @property
    def kept(self) -> bool:
        return self.p50 <= self.limit


def run(options: Options, times: int, only: str) -> int:
    """Measures, prints what took too long, keeps all; returns 1 if anything did."""
    fill(options.devices, max(2, options.devices // 1000))
    client, lines = signed_in(), list[Line]()
    limit = next((each for most, each in LIMITS.items() if options.devices <= most), max(LIMITS.values()))
    for name, condition in CONDITIONS.items():
        for holds, where in HOLDS.items():
            if not re.search(only, name):
                continue
            become(condition, where)
            found = [
                measured(
                    client, name, holds, path, times, LATER if name in SLOW or LACKING in path else limit
                )
                for path in paths(condition.filters)
            ]
            lines += found
            say(f"{name}, {holds}: {conclusion(found)}")
    for line in sorted(lines, key=lambda line: -line.p50):
        if not line.kept:
            say(row(line))
    file = options.state / "bench" / f"states-{options.devices}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps([asdict(line) for line in lines], indent=1) + "\n")
    say(f"{conclusion(lines)} Kept in {file}")
    return 0 if all(line.kept for line in lines) else 1


def paths(filters: Iterable[str]) -> Iterator[str]:
    """The list of all devices and those of these filters in each order, and the other pages about all."""
    for query in ("", *filters):
        for order in ORDERS:
            yield f"/devices/?sort={order}&{query}"
    yield from PAGES


def measured(client: Client, name: str, holds: str, path: str, times: int, limit: float) -> Line:
    """The page read so many times, of which nothing is remembered: no notification is listened for."""
    with CaptureQueriesContext(connection) as queries:
        client.get(path)
    asked = (query for query in queries.captured_queries if not query["sql"].startswith("EXPLAIN"))
    longest = max(asked, key=lambda query: float(query["time"]))["sql"]
    took = []
    for _ in range(times):
        began = time.perf_counter()
        client.get(path)
        took.append((time.perf_counter() - began) * 1000)
    return Line(name, holds, path, statistics.median(took), limit, buffers(longest))


def buffers(query: str) -> int:
    """The pages that this query looks at, in memory or not."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {query}")
        found = cursor.fetchone()[0]
    plan = (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


def conclusion(lines: list[Line]) -> str:
    kept = sum(line.kept for line in lines)
    if not lines:
        return "No condition has a name that was asked for."
    slowest = max(lines, key=lambda line: line.p50)
    most = max(lines, key=lambda line: line.buffers)
    return (
        f"{kept} of {len(lines)} pages within their limit; the slowest takes {slowest.p50:,.0f} ms"
        f" ({slowest.path}), {most.buffers:,} pages of 8 kB are looked at for {most.path}."
    )


def row(line: Line) -> str:
    where = f"{line.condition}, {line.holds}: {line.path}"
    return f"{where:70}{line.p50:9,.0f} ms, allowed {line.limit:,.0f}; {line.buffers:9,} pages of 8 kB"


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
