"""The listening ledger (domain.md, Our own outages): the ingest's pulse, and what the end of an outage moves.

Readings need nothing but the ledger: while an outage is open, they are those at its start (devices/clock.py).
It stays open until the deadlines of every device have moved, which the pulse that finds it does first, a
portion per transaction; so no reading ever meets a deadline that is yet to move.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db import connection, transaction

from devices import clock, processes
from devices.clock import PATIENCE
from devices.models import Listening, Outage

logger = logging.getLogger("devices.listening")

PULSE_EVERY: Final = 2.0  # seconds
PORTION: Final = 5000  # devices per transaction
LEASE: Final = timedelta(seconds=60)  # of a VPN server, from its last sign

# What had not passed at the start moves (late_at: a whole window from the end on); what was late already is
# lost one grace after the end; what was lost stays lost. Moving twice is moving once.
MOVE: Final = """
WITH portion AS (
    SELECT device_id, due_at = late_at AND late_at > %(start)s AS fresh,
           GREATEST(late_at, %(end)s + ceil(poll_interval * 1.5) * interval '1 second') AS anew
    FROM devices_heartbeat
    WHERE device_id > %(after)s AND due_at IS NOT NULL ORDER BY device_id LIMIT %(portion)s
    FOR NO KEY UPDATE
), moved AS (
    UPDATE devices_heartbeat h
    SET late_at = CASE WHEN fresh THEN anew ELSE late_at END,
        lost_at = CASE WHEN fresh THEN anew + (lost_at - late_at) ELSE %(end)s + %(grace)s END,
        due_at = CASE WHEN fresh THEN anew WHEN due_at = lost_at THEN %(end)s + %(grace)s ELSE due_at END
    FROM portion
    WHERE h.device_id = portion.device_id AND last_poll_at < %(end)s AND lost_at > %(start)s
)
SELECT max(device_id) FROM portion
"""
# A lease that lived at the start is as if the server's last sign had come at the end.
MOVE_LEASES: Final = """
WITH alive AS (
    SELECT id FROM devices_vpnserver WHERE due_at > %(start)s ORDER BY id FOR NO KEY UPDATE
)
UPDATE devices_vpnserver s
SET due_at = GREATEST(due_at, %(end)s + %(lease)s), lease_until = GREATEST(due_at, %(end)s + %(lease)s)
FROM alive WHERE s.id = alive.id
"""


def pulse(at: datetime | None = None) -> None:
    """The ingest listens at this moment. After an outage it first moves what had not passed at its start."""
    while not beat(at or clock.now()):
        pass


@transaction.atomic
def beat(at: datetime, process: int = 0) -> bool:
    """Leave the pulse, or do a portion of what must come before it; returns whether that is done.

    `process` is the number of the one that listens (devices/processes.py): the ledger goes as far as all do.
    The locked row makes processes that come back together take turns with one outage.
    """
    ledger, began = Listening.objects.select_for_update().get_or_create(pk=1, defaults={"pulse_at": at})
    reached = processes.heard_by_all(process, at)
    if began or reached <= ledger.pulse_at:
        return True
    away = at - ledger.pulse_at > PATIENCE  # as every reading until now has it
    left = not away or _close(ledger, at)
    if left:
        ledger.pulse_at = at if away else reached
        ledger.returned_at = ledger.worked_at = None
    ledger.save()
    return left


def _close(ledger: Listening, at: datetime) -> bool:
    """Go on closing the outage since the ledger's pulse; returns whether it is closed.

    It ends when the ingest came back, unless that was away again before it was done.
    """
    if ledger.returned_at is None or ledger.worked_at is None or at - ledger.worked_at > PATIENCE:
        ledger.returned_at, ledger.moved_to = at, 0
    ledger.worked_at = at
    params: dict[str, Any] = {
        "start": ledger.pulse_at,
        "end": ledger.returned_at,
        "after": ledger.moved_to,
        "portion": PORTION,
        "grace": timedelta(seconds=settings.HEARTBEAT_GRACE),
        "lease": LEASE,
    }
    with connection.cursor() as cursor:
        cursor.execute(MOVE, params)
        (last,) = cursor.fetchone()
        if last is not None:
            ledger.moved_to = last
            return False
        cursor.execute(MOVE_LEASES, params)
    Outage.objects.create(began_at=ledger.pulse_at, ended_at=ledger.returned_at)
    logger.warning("no data from %(start)s to %(end)s: nothing is concluded from that time", params)
    return True
