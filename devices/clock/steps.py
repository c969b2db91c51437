"""SQL that finds and redates what is dated ahead of the database's clock, after that was set back.

Dates in the future become the present; deadlines and leases become at most what they would be from now on
(domain.md, Times). Records keep their order, by id. The audit log is not changed.

Statements take a range of device ids, above `after` up to `last`, so that histories of deleted devices are
covered too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db import connection

from devices import clock
from devices.clock import alert_steps

PORTION: Final = 5000  # devices per transaction
ENDLESS: Final = 2**63 - 1  # the end of the last range of ids


@dataclass(frozen=True)
class Dated:
    """A table with the columns that date something in its rows, and the SQL about those dated ahead."""

    table: str
    columns: Sequence[str]  # timestamps
    device: str = ""  # the column of the device's id; empty: the table is of the site, not of devices
    where: str = "true"  # SQL: which rows
    key: str = "id"  # the primary key

    @property
    def _newest(self) -> str:
        first, *others = self.columns
        return f"GREATEST({', '.join(self.columns)})" if others else first  # so that months are left out

    @property
    def _ahead(self) -> str:
        mine = f" AND {self.device} > %(after)s AND {self.device} <= %(last)s" if self.device else ""
        return f"FROM {self.table} WHERE {self._newest} > %(at)s AND {self.where}{mine}"

    @property
    def found(self) -> str:
        """SQL of rows (table and id as text, newest date) that are dated after %(at)s."""
        return f"SELECT '{self.table} ' || {self.device or self.key}::text, {self._newest} {self._ahead}"

    @property
    def brought(self) -> str:
        """SQL that sets dates after %(at)s to it, with the rows locked by ascending key as everywhere."""
        sets = (
            f"{column} = CASE WHEN {column} > %(at)s THEN %(at)s ELSE {column} END" for column in self.columns
        )
        return f"""
            WITH ahead AS MATERIALIZED (SELECT {self.key} {self._ahead} ORDER BY {self.key} FOR NO KEY UPDATE)
            UPDATE {self.table} SET {", ".join(sets)}
            WHERE {self.key} IN (SELECT {self.key} FROM ahead) AND {self._newest} > %(at)s
        """


DEVICE: Final = (
    "created_at",
    "metrics_at",
    "activated_at",
    "deactivated_at",
    "provisioned_at",
    "first_contact_at",
    "last_contact_at",
    "progress_changed_at",
    "vpn_changed_at",
    "heartbeat_changed_at",
    "facts_at",
    "recorded_status_at",
)
KEY: Final = ("created_at", "revoked_at", "last_used_at", "last_refused_at")
OF_DEVICES: Final = (
    Dated("devices_device", DEVICE, "id"),
    Dated("devices_statuschange", ("at",), "device_id"),
    Dated("devices_connectivityrecord", ("at",), "device_id"),
    Dated("devices_apikey", KEY, "device_id"),
    Dated("devices_mirroreddevice", ("refused_at",), "device_id", key="device_id"),
)
OF_THE_SITE: Final = (
    Dated("devices_apikey", KEY, where="device_id IS NULL"),
    Dated("devices_fleetcount", ("changed_at",)),
    Dated("devices_job", ("created_at", "started_at", "finished_at", "cancel_at")),
    # Rows that are deleted by age would be kept for longer, files with the keys of many devices among them.
    Dated("devices_devicelist", ("created_at", "keys_at", "keys_confirmed_at")),
    Dated("devices_selection", ("created_at",)),
    Dated("devices_formerkey", ("deleted_at",), key="digest"),
    Dated("devices_verification", ("began_at", "ended_at")),
    Dated("devices_teller", ("concluded_at", "ended_at", "compared_at", "outage_at")),
    Dated("devices_signal", ("at",)),
    Dated("devices_incident", ("first", "last", "opened_at", "resolved_at", "acknowledged_at")),
    Dated("devices_incidentmember", ("since", "moment", "recovered_at", "gone_at")),
    Dated("devices_alertmessage", ("as_of", "created_at", "accepted_at")),
    Dated("devices_alerttarget", ("confirmed_at", "state_since", "accepted_at")),
    Dated("devices_told", ("at",)),
    Dated("devices_held", ("since",)),
    Dated("devices_maintenancewindow", ("created_at", "ended_at", "cancelled_at")),
    Dated("devices_mute", ("created_at",)),
    Dated(
        "devices_source", ("created_at", "swept_at", "whole_at", "tried_at", "relay_seen_at", "relay_lost_at")
    ),
    Dated("procrastinate_workers", ("last_heartbeat",)),  # a dead worker would be taken for alive
)
# Heartbeats dated ahead, with their new dates. The order is kept: the poll at least 1.5 intervals before
# late, late before lost.
HEARTBEATS: Final = """
SELECT h.device_id, polled, late, lost,
       CASE WHEN due_at = late_at THEN late WHEN due_at = lost_at THEN lost END AS due,
       CASE WHEN recorded_other_at > %(at)s THEN %(at)s ELSE recorded_other_at END AS other
FROM devices_heartbeat h,
LATERAL (SELECT ceil(poll_interval * 1.5) * interval '1 second' AS span) AS spans,
LATERAL (SELECT CASE WHEN due_at = late_at THEN LEAST(late_at, %(at)s + span)
                     WHEN due_at = lost_at THEN LEAST(late_at, %(at)s)
                     ELSE LEAST(late_at, %(at)s - interval '1 second') END AS late) AS lates,
LATERAL (SELECT CASE WHEN due_at = late_at THEN late + (lost_at - late_at)
                     WHEN due_at = lost_at THEN LEAST(lost_at, %(at)s + %(grace)s)
                     ELSE LEAST(lost_at, %(at)s) END AS lost) AS losts,
LATERAL (SELECT LEAST(last_poll_at, late - span) AS polled) AS polls
WHERE h.device_id > %(after)s AND h.device_id <= %(last)s
  AND (polled < last_poll_at OR lost < lost_at OR recorded_other_at > %(at)s)
"""
BRING_HEARTBEATS: Final = f"""
WITH ahead AS ({HEARTBEATS} ORDER BY h.device_id FOR NO KEY UPDATE OF h)
UPDATE devices_heartbeat h
SET last_poll_at = polled, late_at = late, lost_at = lost, due_at = due, recorded_other_at = other
FROM ahead WHERE h.device_id = ahead.device_id
"""
LEASES: Final = """
SELECT id, name, CASE WHEN last_sign_at > %(at)s THEN %(at)s ELSE last_sign_at END AS signed,
       CASE WHEN last_event_at > %(at)s THEN %(at)s ELSE last_event_at END AS event,
       CASE WHEN lease_until > %(at)s + %(lease)s THEN %(at)s + %(lease)s ELSE lease_until END AS until,
       CASE WHEN due_at > %(at)s + %(lease)s THEN %(at)s + %(lease)s ELSE due_at END AS due
FROM devices_vpnserver
WHERE GREATEST(last_sign_at, last_event_at, lease_until - %(lease)s, due_at - %(lease)s) > %(at)s
"""
BRING_LEASES: Final = f"""
WITH ahead AS ({LEASES} ORDER BY id FOR NO KEY UPDATE)
UPDATE devices_vpnserver s SET last_sign_at = signed, last_event_at = event, lease_until = until, due_at = due
FROM ahead WHERE s.id = ahead.id
"""
NEXT: Final = """
SELECT max(id) FROM (
    SELECT id FROM devices_device WHERE id > %(after)s ORDER BY id LIMIT %(portion)s
) AS portion
"""
# SQL of rows (what, its date) for everything dated after %(at)s, of devices in a range of ids.
FOUND_OF_DEVICES: Final = (
    f"SELECT 'devices_heartbeat ' || device_id, GREATEST(polled, lost) FROM ({HEARTBEATS}) AS ahead",
    *(dated.found for dated in OF_DEVICES),
)
# SQL of rows (what, its date) for everything dated after %(at)s that does not belong to a device.
FOUND_OF_THE_SITE: Final = (
    f"SELECT 'the VPN server ' || name, COALESCE(until, event) FROM ({LEASES}) AS ahead",
    "SELECT 'an outage', ended_at FROM devices_outage WHERE ended_at > %(at)s",
    "SELECT 'the liveness sign', pulse_at FROM devices_listening WHERE pulse_at > %(at)s",
    *(dated.found for dated in OF_THE_SITE),
)


def params(at: datetime) -> dict[str, Any]:
    """The parameters of all statements of this module at the moment `at`, besides `after` and `last`."""
    return {
        "at": at,
        "grace": timedelta(seconds=settings.HEARTBEAT_GRACE),
        "lease": clock.LEASE,
        "portion": PORTION,
    }


def bring(after: int, at: datetime) -> int | None:
    """Redate what is dated after `at`, of the next PORTION devices with ids above `after`.

    Returns the last id of the portion; None where it was the last portion, which includes what does not
    belong to a device. In the caller's transaction; locks VPN servers (in the last portion), then heartbeats,
    then devices.
    """
    with connection.cursor() as cursor:
        cursor.execute(NEXT, params(at) | {"after": after})
        (last,) = cursor.fetchone()
        steps = [BRING_HEARTBEATS, *_brought(OF_DEVICES)]
        if last is None:
            steps = [BRING_LEASES, *steps, *_brought(OF_THE_SITE), *alert_steps.BRING]
        for sql in steps:
            cursor.execute(sql, params(at) | {"after": after, "last": last or ENDLESS})
    return last  # type: ignore[no-any-return]  # or null


def _brought(tables: Iterable[Dated]) -> list[str]:
    return [dated.brought for dated in tables]
