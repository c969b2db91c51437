"""Recomputing recorded statuses after a change of the rules (docs/changing-a-rule.md).

A stored column is computed anew by an UPDATE of its row. So the rows whose status differs by the present
rules are touched, in batches that lock no row for long. It can be stopped and run again, as rows that agree
are left.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import connection, transaction

from devices import clock
from devices.status.expressions import status_over
from devices.transitions.write import settle_devices

BATCH: Final = 1000  # devices per transaction
REASON: Final = "rules-changed"
DISAGREES: Final = f"d.recorded_status <> {status_over()}"
FOUND: Final = f"""
SELECT id FROM devices_device d WHERE id > %(after)s AND {DISAGREES} ORDER BY id LIMIT %(limit)s
"""
# An UPDATE computes a stored column anew if it sets a fact that the column depends on.
TOUCH: Final = f"""
UPDATE devices_device d
SET is_active = is_active, facts_at = %(at)s, facts_reason = jsonb_build_object('slug', %(reason)s::text),
    recorded_status_at = GREATEST(%(at)s, d.recorded_status_at)
WHERE id = ANY(%(ids)s) AND {DISAGREES}
"""


@dataclass(frozen=True)
class Step:
    """A finished batch: how many devices got another status, and the last id of the batch."""

    changed: int
    last: int


def steps(at: datetime | None = None, batch: int = BATCH) -> Iterator[Step]:
    """Recompute batch by batch, each in a transaction of its own, until every row agrees; yields the batches.

    Passes over all rows are repeated until one finds nothing, since a statement that began before the rules
    changed may have written by the former ones.
    """
    found = True
    while found:
        found, last = False, 0
        while step := recompute(last, at, batch):
            yield step
            found, last = True, step.last


@transaction.atomic
def recompute(after: int, at: datetime | None = None, batch: int = BATCH) -> Step | None:
    """Recompute the next `batch` devices with ids above `after` that disagree; None: there are no more.

    The changes are dated `at` (None: the database's clock).
    """
    ids = [device for (device,) in _run(FOUND, after=after, limit=batch).fetchall()]
    if not ids:
        return None
    known = clock.moment(at)
    settle_devices(ids, known)
    return Step(_run(TOUCH, ids=ids, at=known.at, reason=REASON).rowcount, ids[-1])


def _run(sql: str, **params: Any) -> Any:
    cursor = connection.cursor()
    cursor.execute(sql, params)
    return cursor
