"""Settling: deadlines and leases that passed are recorded, in batches, each dated when it passed.

The order of locks is in devices/connectivity/__init__.py.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import connection, transaction

from devices import clock
from devices.clock import Moment
from devices.connectivity.vpn_leases import settle_with_server
from devices.models import Heartbeat, VpnServer
from devices.status import counters
from devices.transitions.write import settle_devices
from fleets.postgres.round_trip import rows_of_each

SETTLE_BATCH: Final = 2000  # devices per transaction
SETTLE_AHEAD: Final = 50  # batches found by one query

WAITING: Final = """
SELECT LEAST((SELECT min(due_at) FROM devices_heartbeat), (SELECT min(due_at) FROM devices_vpnserver)),
       EXISTS (SELECT FROM devices_fleetcount WHERE NOT folded)
"""


def settle(at: datetime | Moment | None = None) -> int:
    """Record every deadline and lease that passed by `at`, in batches, and fold the counters.

    Safe to run anywhere, twice and in parallel. Readings are right without it: it keeps recorded columns near
    the present and writes the history. What passed since the newest liveness sign waits for the next sign, as
    an outage may have begun there. Returns the number of transitions.
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
    """Settle batches of device ids, each in a transaction of its own, or all in the caller's.

    Every second batch runs in a thread, on another connection, since one connection keeps only one processor
    of the database busy. No device is in two batches, so the two never wait for each other. Returns the
    number of transitions.
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


@dataclass(frozen=True)
class Backlog:
    """What `settle` would find at a moment.

    `behind` is how long the oldest deadline that passed has waited to be recorded; None: nothing waits to be
    recorded, and no counter to be folded. `next_due` is the first deadline that is not recorded, whether it
    has passed or not.
    """

    behind: timedelta | None
    next_due: datetime | None


def backlog(at: Moment) -> Backlog:
    """One query, by three indexes."""
    (((next_due, unfolded),),) = rows_of_each((WAITING,), {})
    if next_due is not None and next_due <= at.concluded:
        return Backlog(at.concluded - next_due, next_due)
    return Backlog(timedelta() if unfolded else None, next_due)
