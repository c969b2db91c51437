"""The row locks that writing the facts of devices needs, in their order: VPN servers, heartbeats, devices.

Each kind is locked by ascending id (CONTRIBUTING.md, lock order). They are NO KEY locks, so that transactions
which only refer to these rows by foreign keys do not wait.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from fleets.postgres.round_trip import rows_of_each

ENDED_SERVERS: Final = """
SELECT id FROM devices_vpnserver s WHERE due_at <= %(at)s AND EXISTS (
    SELECT 1 FROM devices_device d WHERE d.id = ANY(%(ids)s) AND d.vpn_server_id = s.id AND d.vpn_connected)
ORDER BY id FOR SHARE
"""
HEARTBEATS: Final = """
WITH locked AS MATERIALIZED (
    SELECT device_id, due_at FROM devices_heartbeat
    WHERE device_id = ANY(%(ids)s) ORDER BY device_id FOR NO KEY UPDATE
)
SELECT device_id FROM locked WHERE due_at <= %(at)s
"""
# How many of the devices, as they are once locked, are connected to a server whose lease ended.
DEVICES: Final = """
WITH locked AS MATERIALIZED (
    SELECT vpn_server_id, vpn_connected FROM devices_device
    WHERE id = ANY(%(ids)s) ORDER BY id FOR NO KEY UPDATE
)
SELECT count(s.id) FROM locked
LEFT JOIN devices_vpnserver s ON s.id = vpn_server_id AND vpn_connected AND s.due_at <= %(at)s
"""


def lock_ended_servers(ids: Iterable[int], at: datetime) -> None:
    """Lock the VPN servers of these devices whose lease ended by `at` and is not settled; as a rule none."""
    rows_of_each((ENDED_SERVERS,), {"ids": list(ids), "at": at})


def lock_devices(ids: Iterable[int], at: datetime) -> tuple[list[int], int]:
    """Lock these devices with their VPN servers and heartbeats; one round trip.

    Returns the ids of those whose heartbeat has a deadline due at `at`, and how many are connected to a VPN
    server whose lease ended by then.
    """
    _, due, ((ended,),) = rows_of_each((ENDED_SERVERS, HEARTBEATS, DEVICES), {"ids": list(ids), "at": at})
    return [device for (device,) in due], ended
