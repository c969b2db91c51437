"""Links of devices that were read from a source and report to this site from now on.

A heartbeat that was up has one whole window from then on, in which the device must poll here. One that was
late is lost, and a VPN that the source had seen is not connected until a VPN server of this site says so. The
order of locks is in devices/connectivity/__init__.py.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any, Final

from django.conf import settings
from django.db import connection, transaction

from devices.clock import Moment
from devices.connectivity.heartbeats import record_heartbeats
from devices.models import Device
from devices.rules.vocabulary import HeartbeatState
from devices.rules.vpn_states import RECORDED
from devices.transitions import write as transitions

REASON: Final = {"slug": "adopted"}
LATE: Final = """
SELECT d.id, d.heartbeat_state AS was, 'lost' AS now, %(at)s AS at, %(reason)s::jsonb AS reason
FROM devices_device d WHERE d.id = ANY(%(ids)s) AND d.heartbeat_state = 'late'
"""
# Deadlines that have passed, of heartbeats that were lost when the site read them.
PASSED: Final = """
INSERT INTO devices_heartbeat
    (device_id, organization_id, last_poll_at, poll_interval, late_at, lost_at, due_at)
SELECT id, organization_id, heartbeat_changed_at - %(grace)s - ceil(p * 1.5) * interval '1 second', p,
       heartbeat_changed_at - %(grace)s, heartbeat_changed_at, NULL
FROM (SELECT d.*, COALESCE(d.poll_interval, f.poll_interval, %(interval)s) AS p
      FROM devices_device d JOIN fleets_fleet f ON f.id = d.fleet_id
      WHERE d.id = ANY(%(ids)s) AND d.heartbeat_state = 'lost') AS lost
ON CONFLICT DO NOTHING
"""
UNHELD: Final = f"""
SELECT d.id, {RECORDED} AS was, 'disconnected' AS now, %(at)s AS at, %(reason)s::jsonb AS reason
FROM devices_device d WHERE d.id = ANY(%(ids)s) AND d.vpn_connected AND d.vpn_server_id IS NULL
"""


@transaction.atomic
def adopt_links(ids: Collection[int], at: Moment) -> None:
    """Have the links of these devices, by primary key, follow the rules of this site from `at` on."""
    transitions.settle_devices(ids, at)
    transitions.write_heartbeat(LATE, ids=list(ids), at=at.at, reason=REASON)
    transitions.write_vpn(UNHELD, ids=list(ids), at=at.at, reason=REASON)
    params: dict[str, Any] = {
        "ids": list(ids),
        "grace": timedelta(seconds=settings.HEARTBEAT_GRACE),
        "interval": settings.POLL_INTERVAL,
    }
    with connection.cursor() as cursor:
        cursor.execute(PASSED, params)
    recent = Device.objects.filter(pk__in=ids, heartbeat_state=HeartbeatState.RECENT, poll=None)
    record_heartbeats(list(recent.values_list("pk", flat=True)), at)
