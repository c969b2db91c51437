"""What alerts cost and how soon they tell, beside what they may.

The changes that a round plays; devices that are lost one by one; all of them at once; and what a site without
rules writes.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from django.db.models import F, Min

from devices import clock, connectivity
from devices.alerts.rounds import run_round
from devices.models import AlertMessage, Incident, IncidentMember, Listener, Outage, Signal
from tests.bench.alerts.site import (
    connect,
    disconnect,
    listening,
    make_late,
    make_rules,
    prepare,
    telling,
    wait_until_concluded,
)
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
LATE: Final = 10  # devices at most whose heartbeats become late one by one
SAMPLE: Final = 500  # devices that change while is measured what is written
TURNS: Final = 3  # of each, of which the least counts: after a checkpoint pages are written whole
ASK: Final = 0.01  # seconds between two looks whether a message is there
SAYS: Final = 10.0  # seconds between two lines that say what is waited for
PATIENCE: Final = 120.0  # seconds, and the delay of the rules, until it is given up
# What is compared: the triggers that write signals, and whether the organization has rules in force.
SITES: Final = (
    ("Without triggers of alerts", "DISABLE", False),
    ("Without rules", "ENABLE", False),
    ("With rules", "ENABLE", True),
)
LINE: Final = "{:<28}{:>16}{:>12}{:>16}{:>14}"
HISTORIES: Final = ("devices_statuschange", "devices_connectivityrecord")
# So many changes within a short time would mark all links as changing often.
CALM: Final = "TRUNCATE devices_connectivityrecord, devices_statuschange, devices_signal"


def run(size: Size, state: Path) -> None:
    """Measures, prints what it found after each part, and keeps it."""
    say(f"{size.devices:,} devices, which VPN servers report next.")
    prepare(size)
    found: dict[str, Any] = {}
    with listening():
        connect(range(1, size.devices + 1))
        execute("VACUUM ANALYZE devices_device, devices_heartbeat")
        make_rules(size)
        for part in (_written, _rate, _alone, _late, _all):
            found |= part(size)
            execute(CALM)
    if away := Outage.objects.count():
        say(f"The machine was too busy: {away} outages of the site lay between, so nothing of this counts.")
    file = state / "bench" / f"alerts-{size.devices}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(found | {"outages": away}, indent=1) + "\n")
    say(f"Kept in {file}")


def _written(size: Size) -> dict[str, Any]:
    """What is written without the triggers of signals, without rules, and with rules: in turns."""
    numbers = range(size.alone + 1, min(SAMPLE, size.devices) + 1)
    listeners = list(Listener.objects.all())
    costs: dict[str, list[dict[str, float]]] = {name: [] for name, *_ in SITES}
    checkpoint()
    for _ in range(TURNS + 1):
        for name, triggers, rules in SITES:
            for table in HISTORIES:
                execute(f"ALTER TABLE {table} {triggers} TRIGGER USER")
            Listener.objects.all().delete()
            Listener.objects.bulk_create(listeners if rules else [])
            costs[name].append(_costs(numbers))
    written = {name: _least(each[1:]) for name, each in costs.items()}  # the first one finds other pages
    say(LINE.format("What is written", "by a change", "of signals", "by a heartbeat", "which takes"))
    for name, cost in written.items():
        change, heartbeat = (f"{cost[each]:,.0f} bytes" for each in ("change", "heartbeat"))
        say(LINE.format(name, change, f"{cost['signals']:.0f}", heartbeat, f"{cost['microseconds']:.0f} us"))
    return {"written": written}


def _least(costs: list[dict[str, float]]) -> dict[str, float]:
    return {name: min(each[name] for each in costs) for name in costs[0]}


def _change(numbers: range) -> None:
    disconnect(numbers)
    connect(numbers)


def _costs(numbers: range) -> dict[str, float]:
    changes, calls, before = 2 * len(numbers), len(numbers), Signal.objects.count()
    change = _wal(lambda: _change(numbers))
    heartbeat, seconds = _timed(numbers)
    return {
        "change": change / changes,
        "signals": (Signal.objects.count() - before) / changes,
        "heartbeat": heartbeat / calls,
        "microseconds": seconds / calls * 1e6,
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
    run_round(whole=True)
    for change, what in ((disconnect, "lost"), (connect, "there again")):
        change(numbers)
        wait_until_concluded(clock.now())
        say(f"All devices are {what}: rounds play {Signal.objects.count():,} signals.")
        began = time.perf_counter()
        while Signal.objects.exists():
            run_round()
        seconds += time.perf_counter() - began
    rate = 2 * len(numbers) / seconds
    say(f"Changes of statuses that rounds play, {size.rules} rules: {rate:,.0f}/s; goal {RATE:,}/s.")
    return {"rate": rate, "seconds": seconds}


def _alone(size: Size) -> dict[str, float]:
    """The seconds from the change of a device to the message about it, and to the one that it is back."""
    took = []
    with telling():
        for number in range(1, size.alone + 1):
            for change, kind in ((disconnect, "first"), (connect, "resolved")):
                time.sleep(random.random())
                took.append(_until_told(partial(change, [number]), kind, size))
            say(f"Device {number} of {size.alone}: lost after {took[-2]:.2f} s, back after {took[-1]:.2f} s.")
    return _soon("a change", took)


def _late(size: Size) -> dict[str, float]:
    """The seconds from a deadline of a heartbeat to the message about its device, which polls again then."""
    numbers = range(1, min(size.alone, LATE) + 1)
    firsts, took = AlertMessage.objects.filter(kind="first"), list[float]()
    known = firsts.count()
    with telling():
        deadlines = make_late(numbers)
        for number, deadline in zip(numbers, deadlines, strict=True):
            _wait("the message of a deadline", lambda: firsts.count() > known + len(took), size)
            took.append((clock.now() - deadline).total_seconds())
            _until_told(partial(connectivity.record_heartbeats, [number]), "resolved", size)
            say(f"Device {number} of {len(numbers)}: late after {took[-1]:.2f} s.")
    found = _soon("a deadline", took)
    return {f"deadline_{name}": value for name, value in found.items()}


def _soon(what: str, took: list[float]) -> dict[str, float]:
    middle, late = percentile(took, 0.5), percentile(took, 0.99)
    say(
        f"From {what} to the row of its message: {middle:.2f} s (median), {late:.2f} s"
        f" (99th percentile of {len(took)}); goal {SOON:.0f} s."
    )
    return {"p50": middle, "p99": late, "told": len(took)}


def _until_told(change: Callable[[], object], kind: str, size: Size) -> float:
    messages = AlertMessage.objects.filter(kind=kind)
    known, began = messages.count(), time.perf_counter()
    change()
    _wait(f"the message “{kind}”", lambda: messages.count() > known, size)
    return time.perf_counter() - began


def _all(size: Size) -> dict[str, float]:
    """All the others are lost within some seconds."""
    since = clock.now()
    with telling() as teller:
        began = time.monotonic()
        for second in range(size.seconds):
            disconnect(range(size.alone + 1 + second, size.devices + 1, size.seconds))
            time.sleep(max(0.0, began + second + 1 - time.monotonic()))
        say(f"All devices were lost within {time.monotonic() - began:.0f} s.")
        lost = IncidentMember.objects.filter(since__gte=since).exclude(state="gone")
        _wait(
            "incidents of all devices",
            lambda: lost.exists() and not lost.filter(incident=None).exists(),
            size,
        )
        opened = Incident.objects.filter(opened_at__gte=since, merged_into=None)
        _wait("messages about all incidents", lambda: not opened.filter(messages=None).exists(), size)
        memory = peak_of(teller.pid) / 1e6
    first = opened.annotate(wrote=Min("messages__created_at"))
    told = first.values_list(F("wrote") - F("tell_at"), flat=True)
    incidents, late = len(told), max(told).total_seconds()
    say(f"All devices lost: {incidents} incidents; goal {INCIDENTS}.")
    say(f"Their last message was {late:.1f} s late; goal {MESSAGES:.0f} s.")
    say(f"The teller took {memory:,.0f} MB at most; goal {MEMORY:.0f} MB.")
    return {"incidents": incidents, "late": late, "memory": memory}


def _wait(what: str, done: Callable[[], bool], size: Size) -> None:
    """Until that is so; says every SAYS seconds what it waits for."""
    began = says = time.monotonic()
    while not done():
        if (now := time.monotonic()) - began > PATIENCE + size.delay:
            raise RuntimeError(f"It has waited too long for {what}.")
        if now - says > SAYS:
            say(f"Waiting for {what}: {now - began:.0f} s.")
            says = now
        time.sleep(ASK)
