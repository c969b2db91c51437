"""What the clock does: every deadline that passed is recorded, in batches, dated when it passed.

Part of devices/connectivity; see there for the order of locks.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection, transaction
from django.db.models import Min

from devices import clock
from devices.clock import Moment
from devices.connectivity.vpn_leases import settle_with_server
from devices.models import Heartbeat, VpnServer
from devices.status import counters
from devices.transitions.write import settle_devices

SETTLE_BATCH: Final = 2000  # devices per transaction
SETTLE_AHEAD: Final = 50  # batches that are found at once

DUE: Final[tuple[Any, ...]] = (Heartbeat.objects, VpnServer.objects)


def settle(at: datetime | Moment | None = None) -> int:
    """Record every deadline that passed until `at`, in batches; safe anywhere, twice and in parallel.

    Reading never needs it: it keeps the recorded columns near the present, writes the history and folds
    the counters. What passed since the newest pulse waits for the next one: an outage may have begun there.
    Returns the number of transitions.
    """
    concluded, recorded = clock.listened(clock.moment(at).concluded), 0
    for server in VpnServer.objects.filter(due_at__lte=concluded.at).order_by("due_at"):
        with transaction.atomic():
            recorded += settle_with_server(server, [], concluded)[1]
    due = Heartbeat.objects.filter(due_at__lte=concluded.at).order_by("due_at").values_list("pk", flat=True)
    while ids := sorted(due[: SETTLE_AHEAD * SETTLE_BATCH]):  # neighbours are written together
        batches = [ids[start : start + SETTLE_BATCH] for start in range(0, len(ids), SETTLE_BATCH)]
        recorded += _settle_batches(batches, concluded)
    counters.fold()
    return recorded


def _settle_batches(batches: list[list[int]], at: Moment) -> int:
    """Each in a transaction of its own, or in the caller's. Returns the number of transitions.

    Every other one runs beside, on another connection: one alone keeps but one processor of the database
    busy. No device is in two batches, so neither side waits for the other.
    """
    if len(batches) == 1 or connection.in_atomic_block:
        return _settle_one_by_one(batches, at)
    with ThreadPoolExecutor(1) as thread:
        beside = thread.submit(_settle_beside, batches[1::2], at)
        return _settle_one_by_one(batches[::2], at) + beside.result()


def _settle_beside(batches: list[list[int]], at: Moment) -> int:
    try:
        return _settle_one_by_one(batches, at)
    finally:
        connection.close()  # this thread's own


def _settle_one_by_one(batches: list[list[int]], at: Moment) -> int:
    recorded = 0
    for ids in batches:
        with transaction.atomic():
            recorded += settle_devices(ids, at)
    return recorded


def lag(at: datetime | Moment | None = None) -> timedelta:
    """How far the history is behind: since the oldest deadline that passed unrecorded; by two indexes."""
    concluded = clock.moment(at).concluded
    passed = [due.filter(due_at__lte=concluded).aggregate(first=Min("due_at"))["first"] for due in DUE]
    return concluded - min((moment for moment in passed if moment), default=concluded)
