"""One data set: fill, ask for every page through the real server, explain the slowest, print, keep."""

from __future__ import annotations

import gzip
import http.client
import json
import os
import re
import statistics
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from dashboard.live import event_stream
from dashboard.models import User
from devices.listing.newest_recorded import TROUBLE
from devices.models import Device, Listening
from fleets.postgres.listener import CHANNEL, LISTENER
from tests.bench.pages import metrics
from tests.bench.pages.cases import Case, cases, others
from tests.bench.pages.fill import fill
from tests.bench.pages.large import ACTION, FILE, action, export
from tests.bench.processes import Postgres, Servers, serving

SITE = "dashboard.asgi:pages"  # without the ingest, whose liveness signs would set the clock going
SLOWEST = 3  # whose plans are shown
GZIP = b"\x1f\x8b"  # begins what is compressed so
HEARD = 0.05  # seconds until the server has heard the news
WRITE = "UPDATE devices_device SET name = name WHERE id = %s"
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

    def open_stream(self) -> None:
        """Open the event stream as a page does, until the server says that it receives notifications."""
        stream = http.client.HTTPConnection(urlsplit(self._servers.url).netloc, timeout=60)
        stream.request("GET", event_stream.PATH, headers={"Cookie": self._cookie, "Host": "localhost"})
        answer = stream.getresponse()
        while answer.readline() != b"event: listening\n":
            pass
        stream.close()

    def get(self, path: str, headers: dict[str, str], status: int = HTTPStatus.OK) -> bytes:
        """The page as it is sent, compressed; RuntimeError where it is answered otherwise."""
        asked = {"Cookie": self._cookie, "Host": "localhost", "Accept-Encoding": "gzip"}
        self._connection.request("GET", path, headers=asked | headers)
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != status:
            raise RuntimeError(f"{path} was answered {answer.status}: {body[:300]!r}")
        return body

    def measure(self, case: Case, times: int, limit: float | None, asked: Asked) -> Line:
        self._connection.close()  # the server does not wait as long as a page that was counted may take
        body, took = self.get(case.path, asked.headers, asked.status), []
        server, database = self._servers.cpu(), self._postgres.cpu()
        for _ in range(times):
            if case.anew:
                tell_news()
            began = time.perf_counter()
            self.get(case.path, asked.headers, asked.status)
            took.append((time.perf_counter() - began) * 1000)
        after = self._postgres.cpu()
        spent = None if database is None or after is None else (after - database) * 1000 / times
        own = (self._servers.cpu() - server) * 1000 / times
        page = gzip.decompress(body) if body.startswith(GZIP) else body
        sizes = (len(page) / 1000, len(body) / 1000)
        return Line(case.name, case.path, limit, statistics.median(took), own, spent, asked.queries, *sizes)


def tell_news() -> None:
    """As a change of a device that needs attention does: what is remembered of any counts no more."""
    with connection.cursor() as cursor:
        cursor.execute(WRITE, [in_trouble()])
        cursor.execute("SELECT pg_notify(%s, id::text) FROM fleets_organization", [CHANNEL])
    time.sleep(HEARD)


@cache
def in_trouble() -> int:
    """The id of the device that has needed attention for the shortest time."""
    return Device.objects.filter(recorded_cell__in=TROUBLE).order_by("-recorded_since", "-pk")[0].pk


def run(devices: int, fleets: int, times: int, state: Path) -> None:
    """Measures that many devices, prints and keeps."""
    say(f"{devices:,} devices in {fleets:,} fleets:")
    fill(devices, fleets)
    client = signed_in()
    summary = f"/devices/{Device.objects.values_list('uuid', flat=True)[0]}/"
    all_cases = [*cases(devices, Listening.objects.get().pulse_at), *others(devices, summary)]
    wanted = [case for case in all_cases if chosen(case.name)]
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    with serving(SITE, 1) as servers:
        reader = Reader(servers, cookie)
        reader.open_stream()
        LISTENER.start()  # here too, where queries are counted
        ceilings = [reader.measure(case, times, None, asked(client, case)) for case in CEILINGS]
        lines = [reader.measure(case, times, case.limit, asked(client, case)) for case in wanted]
        memory = servers.peak_memory()
    say(table([*ceilings, *lines]))
    say(conclusion(ceilings[-1], lines, memory))
    say(beside(lines))
    large: list[Any] = [*export(cookie)] if chosen(FILE) else []
    large += action() if chosen(ACTION) else []
    large += [metrics.scrape(times)] if chosen(metrics.NAME) else []
    for each in large:
        say(str(each))
    slowest = sorted(lines, key=lambda line: -line.p50)[:SLOWEST]
    plans = {line.name: plan(client, line.path) for line in slowest}
    for name, text in plans.items():
        say(f"\nThe longest query of “{name}”:\n{text}")
    kept = state / "bench" / f"pages-{devices}.json"
    kept.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "memory": memory,
        "lines": [asdict(line) for line in [*ceilings, *lines]],
        "large": [asdict(each) for each in large],
        "plans": plans,
    }
    kept.write_text(json.dumps(content, indent=1) + "\n")
    say(f"\nKept in {kept}")


def signed_in() -> Client:
    """The reader, in this process."""
    call_command("collectstatic", interactive=False, verbosity=0)
    client = Client(headers={"host": "localhost"})
    client.force_login(User.objects.get(username="reader"))
    return client


# What the machine needs for a page without devices, and for this list without a row.
CEILINGS = (Case("legend", "/statuses/", 0), Case("empty list", "/devices/?q=nothing+has+these+words", 0))


def chosen(name: str) -> bool:
    """Whether the run is about what has this name: all, or those in which ONLY is found."""
    return bool(re.search(os.environ.get("ONLY", ""), name))


@dataclass(frozen=True)
class Asked:
    """With what a page is asked for, how it is answered, and how many queries that takes."""

    headers: dict[str, str]
    status: int
    queries: int


def asked(client: Client, case: Case) -> Asked:
    headers = as_shown(client, case.path) if case.unchanged else {}
    if case.anew:
        tell_news()
    with CaptureQueriesContext(connection) as queries:
        answer = client.get(case.path, headers=headers)
    return Asked(headers, answer.status_code, len(queries))


def as_shown(client: Client, path: str) -> dict[str, str]:
    """What a browser sends that shows this page."""
    page = client.get(path)
    rows = re.search(r'"HX-Shown": "([^"]*)"', page.content.decode())
    shown = {"HX-Request": "true", "HX-Shown": rows[1] if rows else ""}
    return shown | {"HX-PTag": client.get(path, headers=shown)["HX-PTag"]}


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
    if not lines:
        return "\nNo page has a name that was asked for."
    kept = sum(line.limit is None or line.p50 <= line.limit for line in lines)
    p50 = statistics.median(line.p50 for line in lines)
    return (
        f"\n{kept} of {len(lines)} pages within their limit; the median page takes"
        f" {p50 / empty.p50:.1f} times an empty list. The server process had {memory:,.0f} MB at most."
    )


def beside(lines: Iterable[Line]) -> str:
    """What Attention takes beside Devices, the same way asked for: of the clock, and of all processors."""
    named = {line.name: line for line in lines}
    pairs = [
        (own, named[name.replace("Attention", "Devices", 1)])
        for name, own in named.items()
        if name.startswith("Attention") and name.replace("Attention", "Devices", 1) in named
    ]
    return "\n".join(
        f"{own.name.ljust(44)}{own.p50:>8,.1f} ms, Devices {other.p50:,.1f};"
        f" processor {own.server + (own.database or 0):,.1f} ms, Devices"
        f" {other.server + (other.database or 0):,.1f}"
        for own, other in pairs
    )


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def from_environment() -> None:
    state = Path(os.environ.get("STATE_DIRECTORY") or settings.BASE_DIR / "var")
    devices, fleets, times = (int(os.environ[name]) for name in ("DEVICES", "FLEETS", "TIMES"))
    run(devices, fleets, times, state)
