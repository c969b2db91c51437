"""When keys were last used and last refused: remembered by each process, written now and then.

A call only leaves a note here; `write` takes the notes to the database, outside any call's transaction.
What is lost with a process that dies is at most a minute of notes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final

from django.db import connection, transaction

from devices import clock
from devices.keys import audit as key_audit
from devices.models import ApiKey
from fleets import audit
from fleets.access.digests import digests

WRITE_EVERY: Final = 60.0  # seconds between two writings of a process
# Keys remembered between two writings; who is left out calls again, within the hour that is kept.
USED_LIMIT: Final = 20_000
REFUSED_LIMIT: Final = 1_000
ROWS: Final = 1_000  # of one statement

# Who is being written elsewhere is left for the next time, so nobody waits for anybody.
MARK_USED: Final = """
UPDATE devices_apikey k SET last_used_at = %(hour)s
FROM (
    SELECT id FROM devices_apikey
    WHERE digest = ANY(%(digests)s) AND (last_used_at IS NULL OR last_used_at < %(hour)s)
    ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
) AS used
WHERE k.id = used.id
"""
# What the key itself cannot say, the caller did.
MARK_REFUSED: Final = """
UPDATE devices_apikey k
SET last_refused_at = refused.at, last_refused_reason =
    CASE WHEN revoked_at <= refused.at THEN 'revoked' WHEN expires_at <= refused.at THEN 'expired'
         ELSE refused.reason END
FROM (
    SELECT id, said.at, said.reason, said.address, last_refused_at AS before FROM devices_apikey
    JOIN unnest(%(digests)s::bytea[], %(times)s::timestamptz[], %(reasons)s::text[], %(addresses)s::text[])
        AS said(digest, at, reason, address) USING (digest)
    WHERE last_refused_at IS NULL OR last_refused_at < said.at
    ORDER BY id FOR NO KEY UPDATE OF devices_apikey SKIP LOCKED
) AS refused
WHERE k.id = refused.id
RETURNING k.id, refused.at, refused.address,
    date_trunc('minute', refused.at) > date_trunc('minute', COALESCE(refused.before, '-infinity'))
"""


class Usage:
    """The notes of one process since the last writing: taken in one thread, then written in any."""

    def __init__(self) -> None:
        self._used: set[str] = set()
        self._refused: dict[str, tuple[float, str, str]] = {}

    def note_used(self, key: str) -> None:
        if len(self._used) < USED_LIMIT:
            self._used.add(key)

    def note_refused(self, key: str, reason: str, address: str = "") -> None:
        """`reason` counts for a key that is live; of an unknown key nothing is ever written."""
        if len(self._refused) < REFUSED_LIMIT or key in self._refused:
            self._refused[key] = (time.monotonic(), reason, address)

    def write(self, at: datetime | None = None) -> int:
        """Take the notes to the database; returns how many keys' rows were written."""
        if not self._used and not self._refused:
            return 0
        at = at or clock.now()
        hour = at.replace(minute=0, second=0, microsecond=0)
        written = 0
        for some in _portions(digest for key in self._used for digest in digests(key)):
            written += _execute(MARK_USED, {"digests": some, "hour": hour})
        now = time.monotonic()
        for some in _portions(
            (digest, at - timedelta(seconds=now - then), reason, address)
            for key, (then, reason, address) in self._refused.items()
            for digest in digests(key)
        ):
            written += _write_refused(some)
        return written


@transaction.atomic
def _write_refused(notes: list[tuple[bytes, datetime, str, str]]) -> int:
    """Write when and why these keys were refused last, and a line each in the audit log.

    A key has one line in a minute at most, whichever processes refuse it: a flood of calls makes no flood of
    lines. The locked row says when the last one was.
    """
    digests, times, reasons, addresses = map(list, zip(*notes, strict=True))
    params = {"digests": digests, "times": times, "reasons": reasons, "addresses": addresses}
    with connection.cursor() as cursor:
        cursor.execute(MARK_REFUSED, params)
        marked = cursor.fetchall()
    told = {key_id: (at, address) for key_id, at, address, is_new in marked if is_new}
    for key in ApiKey.objects.filter(pk__in=told).select_related("device", "organization") if told else ():
        at, address = told[key.pk]
        after = {"kind": str(key.kind), "key": key.fingerprint, "reason": key.last_refused_reason}
        with audit.coming_from(address or None):
            by = key_audit.holder(key)
            key_audit.record("key-refused", key, actor=None, at=at, after=after, by=by)
    return len(marked)


def _portions(items: Iterator[Any]) -> Iterator[list[Any]]:
    while some := list(islice(items, ROWS)):
        yield some


def _execute(sql: str, params: dict[str, Any]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        written: int = cursor.rowcount
        return written
