"""One data set: fill, ask for every page through the real server, explain the slowest, print, keep."""

from __future__ import annotations

import gzip
import http.client
import json
import os
import statistics
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from dashboard.models import User
from devices.models import Device, Listening
from tests.bench.pages.cases import Case, cases
from tests.bench.pages.fill import fill
from tests.bench.processes import Postgres, Servers, serving

SITE = "dashboard.asgi:pages"  # without the ingest, whose pulse would set the clock going
SLOWEST = 3  # whose plans are shown
GZIP = b"\x1f\x8b"  # begins what is compressed so
COLUMNS = ("p50 ms", "limit", "CPU ms", "PostgreSQL", "queries", "kB", "kB gzip")


@dataclass(frozen=True)
class Line:
    """What one page took: milliseconds of the clock and of two kinds of processor time, and what was sent."""

    name: str
    path: str
    limit: float | None
    p50: float
    server: float
    database: float | None
    queries: int
    sent: float  # kilobytes
    compressed: float


class Reader:
    """Somebody signed in, who asks one page after the other over one connection."""

    def __init__(self, servers: Servers, cookie: str) -> None:
        self._servers, self._postgres = servers, Postgres()
        self._cookie = f"{settings.SESSION_COOKIE_NAME}={cookie}"
        self._connection = http.client.HTTPConnection(urlsplit(servers.url).netloc, timeout=60)

    def get(self, path: str) -> bytes:
        """The page as it is sent, compressed; RuntimeError where it is none."""
        asked = {"Cookie": self._cookie, "Host": "localhost", "Accept-Encoding": "gzip"}
        self._connection.request("GET", path, headers=asked)
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path} was answered {answer.status}: {body[:300]!r}")
        return body

    def measure(self, case: Case, times: int, limit: float | None, queries: int) -> Line:
        self._connection.close()  # the server does not wait as long as a page that was counted may take
        body, took = self.get(case.path), []
        server, database = self._servers.cpu(), self._postgres.cpu()
        for _ in range(times):
            began = time.perf_counter()
            self.get(case.path)
            took.append((time.perf_counter() - began) * 1000)
        after = self._postgres.cpu()
        spent = None if database is None or after is None else (after - database) * 1000 / times
        own = (self._servers.cpu() - server) * 1000 / times
        page = gzip.decompress(body) if body.startswith(GZIP) else body
        sizes = (len(page) / 1000, len(body) / 1000)
        return Line(case.name, case.path, limit, statistics.median(took), own, spent, queries, *sizes)


def run(devices: int, fleets: int, times: int, state: Path) -> None:
    """Measures that many devices, prints and keeps."""
    say(f"{devices:,} devices in {fleets:,} fleets:")
    fill(devices, fleets)
    call_command("collectstatic", interactive=False, verbosity=0)
    client = Client(headers={"host": "localhost"})
    client.force_login(User.objects.get(username="reader"))
    all_cases = cases(devices, Listening.objects.get().pulse_at)
    wanted = [case for case in all_cases if os.environ.get("ONLY", "") in case.name]
    with serving(SITE, 1) as servers:
        reader = Reader(servers, client.cookies[settings.SESSION_COOKIE_NAME].value)
        ceilings = [reader.measure(case, times, None, count(client, case)) for case in CEILINGS]
        summary = f"/devices/{Device.objects.values_list('uuid', flat=True)[0]}/"
        wanted += [
            Case("Device Summary", summary, 30),
            Case("Fleets", "/", {50: 40}.get(int(wanted[0].limit), 80)),
        ]
        lines = [reader.measure(case, times, case.limit, count(client, case)) for case in wanted]
        memory = servers.peak_memory()
    say(table([*ceilings, *lines]))
    say(conclusion(ceilings[-1], lines, memory))
    slowest = sorted(lines, key=lambda line: -line.p50)[:SLOWEST]
    plans = {line.name: plan(client, line.path) for line in slowest}
    for name, text in plans.items():
        say(f"\nThe longest query of “{name}”:\n{text}")
    kept = state / "bench" / f"pages-{devices}.json"
    kept.parent.mkdir(parents=True, exist_ok=True)
    content = {"memory": memory, "lines": [asdict(line) for line in [*ceilings, *lines]], "plans": plans}
    kept.write_text(json.dumps(content, indent=1) + "\n")
    say(f"\nKept in {kept}")


# What the machine needs for a page that asks one question, and for this list without a row.
CEILINGS = (Case("SELECT 1", "/healthz", 0), Case("empty list", "/devices/?q=nothing+has+these+words", 0))


def count(client: Client, case: Case) -> int:
    """The queries of a page."""
    with CaptureQueriesContext(connection) as queries:
        client.get(case.path)
    return len(queries)


def plan(client: Client, path: str) -> str:
    """How PostgreSQL answers the longest query of a page."""
    with CaptureQueriesContext(connection) as queries:
        client.get(path)
    longest = max(queries.captured_queries, key=lambda query: float(query["time"]))["sql"]
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS) {longest}")
        return "\n".join(row[0] for row in cursor.fetchall())


def table(lines: Iterable[Line]) -> str:
    heads = " " * 44 + "".join(head.rjust(11) for head in COLUMNS)
    return "\n".join([heads, *(row(line) for line in lines)])


def row(line: Line) -> str:
    cells = (line.p50, line.limit, line.server, line.database, line.queries, line.sent, line.compressed)
    return line.name.ljust(44) + "".join(
        ("-" if cell is None else f"{cell:,.0f}" if isinstance(cell, int) else f"{cell:,.1f}").rjust(11)
        for cell in cells
    )


def conclusion(empty: Line, lines: list[Line], memory: float) -> str:
    """How many pages kept their limit, what one costs beside an empty one, and the memory of the server."""
    kept = sum(line.limit is None or line.p50 <= line.limit for line in lines)
    p50 = statistics.median(line.p50 for line in lines)
    return (
        f"\n{kept} of {len(lines)} pages within their limit; the median page takes"
        f" {p50 / empty.p50:.1f} times an empty list. The server process had {memory:,.0f} MB at most."
    )


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def from_environment() -> None:
    state = Path(os.environ.get("STATE_DIRECTORY") or settings.BASE_DIR / "var")
    devices, fleets, times = (int(os.environ[name]) for name in ("DEVICES", "FLEETS", "TIMES"))
    run(devices, fleets, times, state)
