"""A site with devices of which a condition holds; made by SQL with the triggers off."""

from __future__ import annotations

from datetime import datetime

from devices.integrity import counters
from devices.models import Listening
from devices.schema.search_document import search_documents_sql
from tests.bench.fill import checkpoint, execute
from tests.bench.states.conditions import WELL, Condition

# The window of each that polled; `polled` is when it did, by what its row says.
HEARTBEATS = """
INSERT INTO devices_heartbeat
    (device_id, organization_id, last_poll_at, poll_interval, late_at, lost_at, due_at, recorded_other_at)
SELECT id, organization_id, polled, 900, polled + interval '1350 seconds', polled + interval '1365 seconds',
       CASE heartbeat_state WHEN 'recent' THEN polled + interval '1350 seconds'
                            WHEN 'late' THEN polled + interval '1365 seconds' END, polled
FROM (
    SELECT d.id, organization_id, heartbeat_state,
           CASE WHEN heartbeat_state = 'lost' THEN last_contact_at
                WHEN {holds} THEN %(at)s - {held} ELSE %(at)s - {well} END AS polled
    FROM devices_device d WHERE heartbeat_state <> 'unknown'
) AS device
"""

BECOME = "UPDATE devices_device d SET {sets}"


def become(condition: Condition, holds: str) -> datetime:
    """Let the condition be so of the devices that `holds` (SQL over `d`) names, and all else well.

    Returns the moment at which it is so, that of every reading, since no ingest listens.
    """
    at = Listening.objects.get().pulse_at
    facts = {**WELL, **condition.facts}
    sets = (f"{name} = CASE WHEN {holds} THEN {facts[name]} ELSE {WELL[name]} END" for name in WELL)
    execute("TRUNCATE devices_heartbeat, devices_description")
    execute("ALTER TABLE devices_device DISABLE TRIGGER USER")
    execute(BECOME.format(sets=", ".join(sets)), at=at)
    execute("ALTER TABLE devices_device ENABLE TRIGGER USER")
    execute(search_documents_sql("devices_device"))
    execute(HEARTBEATS.format(holds=holds, held=condition.polled, well=Condition(()).polled), at=at)
    counters.recount()
    execute("VACUUM ANALYZE devices_device, devices_heartbeat, devices_description, devices_fleetcount")
    checkpoint()
    return at
