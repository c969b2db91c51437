"""The ceiling of this machine: how fast its PostgreSQL updates the same rows without Lookout."""

import random
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import psycopg
from django.conf import settings

from tests.bench.load import stride_for

BATCH = 500
# What a poll writes, of devices whose deadlines are far.
UPDATE = """
UPDATE devices_heartbeat
SET last_poll_at = now(), late_at = now() + %(window)s, lost_at = now() + %(window)s * 2,
    due_at = now() + %(window)s
WHERE device_id = ANY(%(ids)s)
"""


def update_heartbeats(devices: int, seconds: float, connections: int) -> tuple[int, float]:
    """Update heartbeats in durable batches over so many connections; returns their number and the seconds."""
    with ThreadPoolExecutor(connections) as threads:
        began = time.monotonic()
        until = began + seconds
        parts = range(connections)
        updated = sum(threads.map(lambda part: _update(devices, until, part, connections), parts))
        return updated, time.monotonic() - began


ONE = """
UPDATE devices_heartbeat
SET last_poll_at = now(), late_at = now() + %(window)s, lost_at = now() + %(window)s * 2,
    due_at = now() + %(window)s
WHERE device_id = %(id)s
"""


def update_one(seconds: float) -> list[float]:
    """Update one heartbeat durably again and again over one connection; the seconds that each update took."""
    took, until = [], time.monotonic() + seconds
    with psycopg.connect(settings.DATABASE_URL, autocommit=True) as database:
        while (began := time.monotonic()) < until:
            database.execute(ONE, {"id": 1, "window": timedelta(seconds=1350)}, prepare=True)
            took.append(time.monotonic() - began)
    return took


def _update(devices: int, until: float, part: int, parts: int) -> int:
    """Update the devices of one connection, which are its own, so that none waits for another."""
    own = range(part + 1, devices + 1, parts)
    stride, place, updated = stride_for(len(own)), random.randrange(len(own)), 0
    with psycopg.connect(settings.DATABASE_URL, autocommit=True) as database:
        while time.monotonic() < until:
            ids = [own[(place + step * stride) % len(own)] for step in range(min(BATCH, len(own)))]
            place = (place + len(ids) * stride) % len(own)
            updated += database.execute(
                UPDATE, {"ids": sorted(ids), "window": timedelta(seconds=1350)}
            ).rowcount
    return updated
