"""What alerts cost and how soon they tell, beside what they may.

The changes that a round plays; devices that are lost one by one; all of them at once; and what a site without
rules writes.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from django.db.models import F, Min

from devices import clock, connectivity
from devices.alerts.rounds import run_round
from devices.connectivity import outages
from devices.models import AlertMessage, Incident, IncidentMember, Signal
from tests.bench.alerts.site import Listening, connect, disconnect, make_rules, prepare, telling
from tests.bench.fill import checkpoint, execute
from tests.bench.pages.run import say
from tests.bench.peak import peak_of
from tests.bench.processes import wal_position
from tests.bench.relay import percentile

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bench.alerts.site import Size

RATE: Final = 5_000  # changes in a second, at least
SOON: Final = 2.0  # seconds to the row of a message, at most
INCIDENTS: Final = 50  # at most, where all devices are lost
MESSAGES: Final = 30.0  # seconds that the last message may take from when it is due
MEMORY: Final = 300.0  # megabytes of the teller, at most
SAMPLE: Final = 500  # devices that change while is measured what is written
TURNS: Final = 3  # of each, of which the least counts: after a checkpoint pages are written whole
ASK: Final = 0.01  # seconds between two looks whether a message is there
PATIENCE: Final = 120.0  # seconds, and the delay of the rules, until it is given up
TRIGGER: Final = "ALTER TABLE {table} {what} TRIGGER USER"
HISTORIES: Final = ("devices_statuschange", "devices_connectivityrecord")
# So many changes within a short time would mark all links as changing often.
CALM: Final = "TRUNCATE devices_connectivityrecord, devices_statuschange, devices_signal"


def run(size: Size, state: Path) -> None:
    """Measures, prints and keeps."""
    prepare(size)
    with Listening():
        connect(range(1, size.devices + 1))
        execute("VACUUM ANALYZE devices_device, devices_heartbeat")
        written = dict(_written(size))
        execute(CALM)
        found: dict[str, Any] = {"written": written, **_rate(size), **_alone(size), **_all(size)}
    for line in _sentences(found, size.rules):
        say(line)
    file = state / "bench" / f"alerts-{size.devices}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(found, indent=1) + "\n")
    say(f"Kept in {file}")


def _sentences(found: dict[str, Any], rules: int) -> Iterator[str]:
    yield f"Changes of statuses that rounds play, {rules} rules: {found['rate']:,.0f}/s; goal {RATE:,}/s."
    yield (
        f"From a change to the row of its message: {found['p50']:.1f} s (median), {found['p99']:.1f} s"
        f" (99th percentile of {found['told']}); goal {SOON:.0f} s."
    )
    yield f"All devices lost: {found['incidents']} incidents; goal {INCIDENTS}."
    yield f"Their last message was {found['late']:.1f} s late; goal {MESSAGES:.0f} s."
    yield f"The teller took {found['memory']:,.0f} MB at most; goal {MEMORY:.0f} MB."
    for name, each in found["written"].items():
        yield (
            f"{name}: a change writes {each['change']:,.0f} bytes of WAL and {each['signals']:.0f} signals,"
            f" a heartbeat {each['heartbeat']:,.0f} bytes in {each['microseconds']:,.0f} us."
        )


def _written(size: Size) -> Iterator[tuple[str, dict[str, float]]]:
    """What is written without the triggers of signals, without rules, and with rules."""
    numbers = range(size.alone + 1, min(SAMPLE, size.devices) + 1)
    for what, name in (("DISABLE", "Without triggers of alerts"), ("ENABLE", "Without rules")):
        for table in HISTORIES:
            execute(TRIGGER.format(table=table, what=what))
        yield name, _costs(numbers)
    make_rules(size)
    yield "With rules", _costs(numbers)


def _change(numbers: range) -> None:
    disconnect(numbers)
    connect(numbers)


def _costs(numbers: range) -> dict[str, float]:
    changes, calls = 2 * len(numbers), len(numbers)
    checkpoint()
    _change(numbers)  # so that each finds the same pages
    before = Signal.objects.count()
    wal = min(_wal(lambda: _change(numbers)) for _ in range(TURNS))
    signals = (Signal.objects.count() - before) / TURNS
    polls = [_timed(numbers) for _ in range(TURNS + 1)][1:]
    return {
        "change": wal / changes,
        "signals": signals / changes,
        "heartbeat": min(wal for wal, _ in polls) / calls,
        "microseconds": min(seconds for _, seconds in polls) / calls * 1e6,
    }


def _wal(act: Callable[[], object]) -> int:
    before = wal_position()
    act()
    return wal_position() - before


def _timed(numbers: range) -> tuple[int, float]:
    began = time.perf_counter()
    wal = _wal(lambda: connectivity.record_heartbeats(list(numbers)))
    return wal, time.perf_counter() - began


def _rate(size: Size) -> dict[str, float]:
    """Rounds play that all devices were lost, and then that they are back."""
    seconds, numbers = 0.0, range(size.alone + 1, size.devices + 1)
    outages.record_liveness()
    run_round(whole=True)
    for change in (disconnect, connect):
        change(numbers)
        outages.record_liveness()
        began = time.perf_counter()
        while Signal.objects.exists():
            run_round()
        seconds += time.perf_counter() - began
    return {"rate": 2 * len(numbers) / seconds, "seconds": seconds}


def _alone(size: Size) -> dict[str, float]:
    """The seconds from the change of a device to the message about it, and to the one that it is back."""
    took = []
    with telling():
        for number in range(1, size.alone + 1):
            for change, kind in ((disconnect, "first"), (connect, "resolved")):
                time.sleep(random.random())
                took.append(_until_told(partial(change, [number]), kind, size))
    return {"p50": percentile(took, 0.5), "p99": percentile(took, 0.99), "told": len(took)}


def _until_told(change: Callable[[], None], kind: str, size: Size) -> float:
    messages = AlertMessage.objects.filter(kind=kind)
    known, began = messages.count(), time.perf_counter()
    change()
    _wait(lambda: messages.count() > known, size)
    return time.perf_counter() - began


def _all(size: Size) -> dict[str, float]:
    """All the others are lost within some seconds."""
    since = clock.now()
    with telling() as teller:
        began = time.monotonic()
        for second in range(size.seconds):
            disconnect(range(size.alone + 1 + second, size.devices + 1, size.seconds))
            time.sleep(max(0.0, began + second + 1 - time.monotonic()))
        lost = IncidentMember.objects.filter(since__gte=since).exclude(state="gone")
        _wait(lambda: lost.exists() and not lost.filter(incident=None).exists(), size)
        opened = Incident.objects.filter(opened_at__gte=since, merged_into=None)
        _wait(lambda: not opened.filter(messages=None).exists(), size)
        memory = peak_of(teller.pid) / 1e6
    first = opened.annotate(wrote=Min("messages__created_at"))
    told = first.values_list(F("wrote") - F("tell_at"), flat=True)
    return {"incidents": len(told), "late": max(told).total_seconds(), "memory": memory}


def _wait(done: Callable[[], bool], size: Size) -> None:
    ends = time.monotonic() + PATIENCE + size.delay
    while not done():
        if time.monotonic() > ends:
            raise RuntimeError("It was not told.")
        time.sleep(ASK)
