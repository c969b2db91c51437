"""Fill, read the histories and write to them as the product does, explain the longest query of each, keep.

Every reading is one at the moment at which the ingest fell silent (tests/bench/pages/fill.py), so that a data
set is as good on another day. What changes it is rolled back or put back.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial
from http import HTTPStatus
from itertools import cycle
from pathlib import Path
from typing import Any, Final

from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from dashboard.pages.device.events import history
from dashboard.pages.device.timeline import timeline
from dashboard.pages.parts.chart import RANGES, Range
from dashboard.pages.parts.over_time import address_of, over_time
from devices import clock, connectivity
from devices.clock import Moment
from devices.history import device_history, retention
from devices.integrity import checks as integrity
from devices.integrity import nightly
from devices.models import ConnectivityRecord, Device, Listening, StatusChange
from devices.status.reading import with_status
from fleets.models import Fleet, Organization
from tests.bench.history.backlog import backlog, bare_update
from tests.bench.history.fill import fill, months
from tests.bench.history.waits import Waits
from tests.bench.pages.run import say, signed_in
from tests.bench.processes import Postgres

LAPSED: Final = 100_000
SETTLED: Final = 10_000  # milliseconds
THEN: Final = 500  # milliseconds
WIDTH: Final = 180  # of a plan's line; some name a hundred moments
COLUMNS: Final = ("p50 ms", "limit", "PostgreSQL", "queries")


@dataclass(frozen=True)
class Line:
    """What one reading took: milliseconds of the clock, and of PostgreSQL's processor time."""

    name: str
    limit: float | None
    p50: float
    database: float | None
    queries: int
    plan: str


def run(devices: int, rows: int, times: int, state: Path) -> None:
    """Measures that many devices with that many rows, prints and keeps."""
    say(f"{devices:,} devices, {rows:,} rows of history:")
    fill(devices, rows)
    there = StatusChange.objects.count() + ConnectivityRecord.objects.count()
    say(f"  {there:,} rows are there")
    at = clock.moment(Listening.objects.get().pulse_at)
    lines = [measure(*case, times) for case in [*readings(at), *pages_then(at.at)]]
    lines += [*lapse(min(LAPSED, devices // 10), at.at), drop(at.at), verified()]
    say(table(lines))
    for line in lines:
        say(f"\nThe longest query of “{line.name}”:\n{line.plan}")
    kept = state / "bench" / f"history-{devices}-{rows}.json"
    kept.parent.mkdir(parents=True, exist_ok=True)
    content = {"rows": there, "lines": [asdict(line) for line in lines]}
    kept.write_text(json.dumps(content, indent=1) + "\n")
    say(f"\nKept in {kept}")


def readings(at: Moment) -> Iterator[tuple[str, float, Callable[[], object]]]:
    """Their names, limits in milliseconds, and themselves."""
    organizations, fleet = list(Organization.objects.all()), Fleet.objects.order_by("pk")[0]
    several = cycle(Device.objects.order_by("uuid").values_list("uuid", flat=True)[:100])
    for of in RANGES.values():
        yield f"timeline of a device, {of.words}", 50, partial(a_timeline, several, of, at)
    for of in RANGES.values():
        yield f"picture of all fleets, {of.words}", 150, partial(over_time, organizations, of, at)
    for of in RANGES.values():
        yield f"picture of one fleet, {of.words}", 150, partial(over_time, [], of, at, fleet)


def pages_then(at: datetime) -> Iterator[tuple[str, float, Callable[[], object]]]:
    """The Fleets page as of minutes that are far from any full hour, whose counts are kept."""
    client = signed_in()
    for days in (1, 30, 80):
        hour = (at - timedelta(days=days)).replace(minute=0, second=0, microsecond=0)
        minutes = cycle(hour + timedelta(minutes=minute) for minute in range(25, 36))
        yield f"Fleets as of {days} days ago", THEN, partial(a_page, client, minutes)


def a_page(client: Client, minutes: Iterator[datetime]) -> object:
    """As of the next minute, made in this process."""
    answer = client.get("/", {"at": address_of(next(minutes))})
    if answer.status_code != HTTPStatus.OK:
        raise RuntimeError(f"the page was answered {answer.status_code}")
    return answer.content


def a_timeline(uuids: Iterator[str], of: Range, at: Moment) -> object:
    """The next one's, as the Device Summary reads it, with the list of changes under it."""
    found: Any = with_status(Device.objects.all(), at).get(uuid=next(uuids))
    past = device_history.read(found, of.start(at.at), at, 21)
    return timeline(found, past, of, at), history(found, past, 20)


def measure(name: str, limit: float, ask: Callable[[], object], times: int) -> Line:
    took, postgres = [], Postgres()
    ask()
    before = postgres.cpu()
    for _ in range(times):
        began = time.perf_counter()
        ask()
        took.append((time.perf_counter() - began) * 1000)
    spent = since(postgres, before)
    with CaptureQueriesContext(connection) as queries:
        ask()
    p50, database = statistics.median(took), spent and spent / times
    return Line(name, limit, p50, database, len(queries), explained(queries.captured_queries))


def since(postgres: Postgres, before: float | None) -> float | None:
    """Milliseconds of PostgreSQL's processor time."""
    after = postgres.cpu()
    return None if before is None or after is None else (after - before) * 1000


def explained(queries: list[dict[str, str]]) -> str:
    """How PostgreSQL answers the longest of these."""
    reads = [query for query in queries if query["sql"].lstrip(" (\n").startswith(("SELECT", "WITH"))]
    longest = max(reads, key=lambda query: float(query["time"]))["sql"]
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS) {longest}")
        return "\n".join(row[0][:WIDTH] for row in cursor.fetchall())


@contextmanager
def undone() -> Iterator[None]:
    """Whatever is written inside this block is not."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def lapse(number: int, at: datetime) -> list[Line]:
    """So many heartbeats became late and lost and nobody recorded it: settle does.

    Once for real; once where one connection does it all, to see what takes how long; then a bare UPDATE.
    """
    lines, postgres = [], Postgres()
    for how in ("settled", "by one connection"):
        with backlog(number), nullcontext() if how == "settled" else undone():
            before, began = postgres.cpu(), time.perf_counter()
            with CaptureQueriesContext(connection) as queries:
                recorded = connectivity.settle(at)
            took, spent = (time.perf_counter() - began) * 1000, since(postgres, before)
        if recorded != 2 * number:
            raise RuntimeError(f"{recorded} edges of {number} heartbeats were recorded")
        name, limit = f"{number:,} lapsed heartbeats {how}", SETTLED if how == "settled" else None
        lines.append(Line(name, limit, took, spent, len(queries), costliest(queries.captured_queries)))
    before = postgres.cpu()
    took = bare_update(number) * 1000
    words = f"to settle takes {lines[0].p50 / took:.1f} times as long"
    lines.append(Line(f"{number:,} rows of devices updated", None, took, since(postgres, before), 1, words))
    return lines


def costliest(queries: list[dict[str, str]]) -> str:
    """The kinds of statement, told apart by their beginnings, that took longest together."""
    kinds: dict[str, list[float]] = {}
    for query in queries:
        kinds.setdefault(" ".join(query["sql"].split())[:90], []).append(float(query["time"]))
    longest = sorted(kinds.items(), key=lambda kind: -sum(kind[1]))[:5]
    return "\n".join(f"{sum(took):8.2f} s in {len(took):,} times {words} ..." for words, took in longest)


def drop(at: datetime) -> Line:
    """The oldest whole month is dropped: how long those wait who read the histories meanwhile."""
    postgres, (_, _, (cut, _), *_) = Postgres(), months(at)
    uuid = Device.objects.order_by("uuid").values_list("pk", flat=True)[0]
    with Waits(uuid, at - timedelta(days=1)) as waits:
        before, began = postgres.cpu(), time.perf_counter()
        with undone():
            names = retention.drop_old(cut)
        took, spent = (time.perf_counter() - began) * 1000, since(postgres, before)
    words = f"dropped {', '.join(names)} in {took:,.0f} ms; readers asked {waits.asked:,} times meanwhile"
    return Line("readers wait for a month's drop", 1000, waits.longest * 1000, spent, 1, words)


def verified() -> Line:
    """What the worker does every night; the data set must agree with itself."""
    postgres = Postgres()
    before, began = postgres.cpu(), time.perf_counter()
    with CaptureQueriesContext(connection) as queries:
        found = list(integrity.disagreements(since=clock.now() - nightly.BACK))
    took, spent = (time.perf_counter() - began) * 1000, since(postgres, before)
    if found:
        raise RuntimeError(f"{len(found)} disagreements: {found[0]}")
    words = costliest(queries.captured_queries)
    return Line("verified as every night", None, took, spent, len(queries), words)


def table(lines: Iterable[Line]) -> str:
    heads = " " * 44 + "".join(head.rjust(11) for head in COLUMNS)
    return "\n".join([heads, *(row(line) for line in lines)])


def row(line: Line) -> str:
    cells = (line.p50, line.limit, line.database)
    numbers = "".join(("-" if cell is None else f"{cell:,.1f}").rjust(11) for cell in cells)
    return line.name.ljust(44) + numbers + f"{line.queries:,}".rjust(11)
