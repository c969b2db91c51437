"""When keys were last used and last refused: noted in memory by each process, written every minute.

A call only adds a note; the notes are stored in the database outside any call's transaction, a portion at a
time. A process that dies loses its notes of the last minutes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import Any, Final

from django.db import connection, transaction

from devices import clock
from devices.keys import audit as key_audit
from devices.models import ApiKey
from fleets import audit
from fleets.access.digests import digests

WRITE_EVERY: Final = 60.0  # seconds between two writes of a process
PAUSE: Final = 2.0  # seconds between two portions of a write: all at once, polls would wait for a second
# Keys noted between two writes; a key that is left out is noted later, as the hour of its use is stored.
USED_LIMIT: Final = 20_000
REFUSED_LIMIT: Final = 1_000
ROWS: Final = 1_000  # rows per statement

# A row that another transaction has locked is skipped until the next write, so that no process waits.
MARK_USED: Final = """
UPDATE devices_apikey k SET last_used_at = %(hour)s
FROM (
    SELECT id FROM devices_apikey
    WHERE digest = ANY(%(digests)s) AND (last_used_at IS NULL OR last_used_at < %(hour)s)
    ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
) AS used
WHERE k.id = used.id
"""
# The reason is that of the key itself, revoked or expired; else the one that the note has.
MARK_REFUSED: Final = """
UPDATE devices_apikey k
SET last_refused_at = refused.at, last_refused_reason =
    CASE WHEN revoked_at <= refused.at THEN 'revoked' WHEN expires_at <= refused.at THEN 'expired'
         ELSE refused.reason END
FROM (
    SELECT id, note.at, note.reason, note.address, last_refused_at AS before FROM devices_apikey
    JOIN unnest(%(digests)s::bytea[], %(times)s::timestamptz[], %(reasons)s::text[], %(addresses)s::text[])
        AS note(digest, at, reason, address) USING (digest)
    WHERE last_refused_at IS NULL OR last_refused_at < note.at
    ORDER BY id FOR NO KEY UPDATE OF devices_apikey SKIP LOCKED
) AS refused
WHERE k.id = refused.id
RETURNING k.id, refused.at, refused.address,
    date_trunc('minute', refused.at) > date_trunc('minute', COALESCE(refused.before, '-infinity'))
"""


class Usage:
    """The notes of one process since its last write. Added by one thread, written by any."""

    def __init__(self) -> None:
        self._used: set[str] = set()
        self._refused: dict[str, tuple[float, str, str]] = {}

    def note_used(self, key: str) -> None:
        """Note that the key was accepted."""
        if len(self._used) < USED_LIMIT:
            self._used.add(key)

    def note_refused(self, key: str, reason: str, address: str = "") -> None:
        """Note that the key was refused, from `address`.

        `reason` is stored if the key is live; nothing is stored for an unknown key.
        """
        if len(self._refused) < REFUSED_LIMIT or key in self._refused:
            self._refused[key] = (time.monotonic(), reason, address)

    def write(self, at: datetime | None = None) -> int:
        """Store the notes in the database, as of `at` (None: its clock).

        Returns how many keys were updated.
        """
        if not self._used and not self._refused:
            return 0
        at = at or clock.now()
        return sum(write(at) for write in self.portions())

    def portions(self) -> Iterator[Callable[[datetime | None], int]]:
        """What stores each portion of the notes, as `write` does all of them."""
        for used in _portions(self._used):
            yield partial(_write_used, used)
        for refused in _portions(self._refused.items()):
            yield partial(_write_refused, refused)


def _write_used(used: list[str], at: datetime | None) -> int:
    """Store that these keys were used in the hour of `at`; returns how many were not known to be."""
    hour = (at or clock.now()).replace(minute=0, second=0, microsecond=0)
    return _execute(MARK_USED, {"digests": [digest for key in used for digest in digests(key)], "hour": hour})


@transaction.atomic
def _write_refused(refused: list[tuple[str, tuple[float, str, str]]], at: datetime | None) -> int:
    """Store when and why keys were last refused, as they were noted; returns how many.

    Each refused key gets a line in the audit log, at most one per minute for all processes together, so that
    a flood of calls makes no flood of lines.
    """
    at, now = at or clock.now(), time.monotonic()
    notes = (
        (digest, at - timedelta(seconds=now - noted_at), reason, address)
        for key, (noted_at, reason, address) in refused
        for digest in digests(key)
    )
    found, times, reasons, addresses = map(list, zip(*notes, strict=True))
    params = {"digests": found, "times": times, "reasons": reasons, "addresses": addresses}
    with connection.cursor() as cursor:
        cursor.execute(MARK_REFUSED, params)
        marked = cursor.fetchall()
    logged = {key_id: (at, address) for key_id, at, address, is_new in marked if is_new}
    for key in (
        ApiKey.objects.filter(pk__in=logged).select_related("device", "organization") if logged else ()
    ):
        at, address = logged[key.pk]
        after = {"kind": str(key.kind), "key": key.fingerprint, "reason": key.last_refused_reason}
        with audit.coming_from(address or None):
            by = key_audit.holder(key)
            key_audit.record("key-refused", key, actor=None, at=at, after=after, by=by)
    return len(marked)


def _portions(items: Iterable[Any]) -> Iterator[list[Any]]:
    left = iter(items)
    while portion := list(islice(left, ROWS)):
        yield portion


def _execute(sql: str, params: dict[str, Any]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        written: int = cursor.rowcount
        return written
