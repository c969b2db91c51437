"""What people do to devices, for any number of devices of one organization, by a few statements for all.

The caller has checked the role, opened the transaction, found the devices, locked the organization and
settled the devices (for retag and edit: locked them), in this order: devices/operations/lifecycle.py and
devices/operations/editing.py for one device, devices/background/bulk_action.py for many. Each function
returns for every device whether it was changed, or why not. History and audit log get a line for each changed
device.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from django.db import connection
from psycopg.types.json import Jsonb

from devices import freezing
from devices.clock import Moment
from devices.models import ApiKey, Device, FormerKey
from devices.rules.vocabulary import HeartbeatState
from devices.status.reading import with_status
from devices.words import of_site
from fleets import audit
from fleets.models import Fleet, Organization

if TYPE_CHECKING:
    from fleets.actor import Actor

CHANGED: Final = ""
UNCHANGED: Final = "Nothing to change"
BEATING: Final = [HeartbeatState.RECENT, HeartbeatState.LATE]

Outcomes = dict[int, str]  # by primary key: CHANGED, UNCHANGED, or why the device was left alone


@dataclass(frozen=True)
class Batch:
    """Devices of one organization, by primary key, with who acts and when.

    `actor` None: it is no person, but what `by` names.
    """

    ids: Sequence[int]
    organization: Organization
    actor: Actor | None
    at: Moment
    by: str = audit.CONSOLE

    def reason(self, slug: str) -> Jsonb:
        """The reason of a change for the history: its slug and who acts."""
        return Jsonb({"slug": slug} | ({"by": self.actor.get_username()} if self.actor else {}))


def links_up(*, vpn: bool, heartbeat: str) -> str:
    """The sentence on which link keeps such a device from being deactivated; empty: both links are down."""
    return of_site(LINKS_UP.get((vpn, heartbeat if heartbeat in BEATING else ""), ""))


LINKS_UP: Final = {
    (True, ""): "The {vpn} is connected.",
    (True, "recent"): "The {vpn} is connected, and the API heartbeat is up.",
    (True, "late"): "The {vpn} is connected, and the API heartbeat is up.",
    (False, "recent"): "The API heartbeat is on time.",
    (False, "late"): "The API heartbeat is late, but not lost.",
}


def move(batch: Batch, *, fleet: Fleet, vpn_enabled: bool) -> Outcomes:
    """Move the devices to `fleet`, whose setting of the VPN is `vpn_enabled`."""
    moved = _rows(MOVE, batch, fleet=fleet.pk, vpn=vpn_enabled, reason=batch.reason("moved"))
    after = {"fleet": fleet.slug}
    _record("device-moved", batch, [(uuid, name, {"fleet": left}, after) for _, uuid, name, left in moved])
    return _refrozen(batch, [row[0] for row in moved])


MOVE: Final = """
UPDATE devices_device d
SET fleet_id = %(fleet)s, vpn_enabled = COALESCE(d.vpn_setting, %(vpn)s), facts_at = %(at)s,
    facts_reason = %(reason)s
FROM fleets_fleet was
WHERE d.id = ANY(%(ids)s) AND was.id = d.fleet_id AND d.fleet_id <> %(fleet)s
RETURNING d.id, d.uuid, d.name, was.slug
"""


def deactivate(batch: Batch) -> Outcomes:
    """Deactivate the devices; those with a link up at that moment are left alone, with the reason."""
    now = with_status(Device.objects.filter(pk__in=batch.ids), batch.at)
    refused = {
        device.pk: f"{device.name or device.uuid[:7]} cannot be deactivated. {up}"
        for device in now.order_by().values_list("pk", "uuid", "name", "vpn", "heartbeat", named=True)
        if (up := links_up(vpn=device.vpn, heartbeat=device.heartbeat))
    }
    free = [pk for pk in batch.ids if pk not in refused]
    taken = _rows(DEACTIVATE, batch, free=free, reason=batch.reason("deactivated"))
    _record("device-deactivated", batch, [(uuid, name, None, None) for _, uuid, name in taken])
    return _refrozen(batch, [row[0] for row in taken]) | refused


DEACTIVATE: Final = """
UPDATE devices_device d
SET is_active = false, activated_at = NULL, deactivated_at = %(at)s, facts_at = %(at)s,
    facts_reason = %(reason)s
WHERE d.id = ANY(%(free)s) AND d.is_active
RETURNING d.id, d.uuid, d.name
"""


def delete(batch: Batch) -> Outcomes:
    """Delete the devices with their facts and keys; digests of the keys and the history are kept."""
    keys = ApiKey.objects.filter(device__in=batch.ids).values_list("digest", "device__uuid")
    FormerKey.objects.bulk_create(
        FormerKey(digest=digest, organization=batch.organization, device_uuid=uuid, deleted_at=batch.at.at)
        for digest, uuid in keys
    )
    gone = _rows(DELETE, batch, reason=batch.reason("deleted"))
    Device.objects.filter(pk__in=batch.ids).delete()
    _record("device-deleted", batch, [(uuid, name, {"fleet": left}, None) for _, uuid, name, left in gone])
    return _refrozen(batch, batch.ids)


DELETE: Final = """
UPDATE devices_device d SET facts_at = %(at)s, facts_reason = %(reason)s FROM fleets_fleet was
WHERE d.id = ANY(%(ids)s) AND was.id = d.fleet_id RETURNING d.id, d.uuid, d.name, was.slug
"""


def retag(batch: Batch, *, put: Mapping[str, str], drop: Collection[str]) -> Outcomes:
    """Set the tags in `put`, remove those whose names are in `drop`, and keep all others."""
    return _change(batch, "tags", RETAGGED, put=Jsonb(dict(put)), drop=list(drop))


RETAGGED: Final = """
CASE WHEN jsonb_typeof(d.tags) = 'object' THEN d.tags - %(drop)s::text[] ELSE '{}' END || %(put)s
"""


def edit(batch: Batch, *, field: str, value: Any) -> Outcomes:
    """Set a field, one of editing.EDITABLE, to a valid value."""
    column: Any = Device._meta.get_field(field)  # noqa: SLF001 - Django's documented name for it
    return _change(batch, field, "%(value)s", value=column.get_db_prep_save(value, connection))


def _change(batch: Batch, field: str, after: str, **params: Any) -> Outcomes:
    rows = _rows(CHANGE.format(field=field, after=after), batch, **params)
    lines = [(uuid, name, *map(json.loads, values)) for _, uuid, name, *values in rows]
    _record("device-changed", batch, lines)
    return _outcomes(batch, [row[0] for row in rows])


CHANGE: Final = """
UPDATE devices_device d SET {field} = {after}
FROM devices_device was
WHERE d.id = ANY(%(ids)s) AND was.id = d.id AND d.{field} IS DISTINCT FROM {after}
RETURNING d.id, d.uuid, d.name, jsonb_build_object('{field}', was.{field})::text,
          jsonb_build_object('{field}', d.{field})::text
"""


def _refrozen(batch: Batch, changed: Sequence[int]) -> Outcomes:
    """The outcomes, after devices were frozen and thawed as the line for the allowance changed."""
    if changed:
        freezing.refreeze(batch.organization.pk, batch.at, changed)
    return _outcomes(batch, changed)


def _outcomes(batch: Batch, changed: Iterable[int]) -> Outcomes:
    return dict.fromkeys(batch.ids, UNCHANGED) | dict.fromkeys(changed, CHANGED)


def _rows(sql: str, batch: Batch, **params: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, {"ids": list(batch.ids), "at": batch.at.at, **params})
        return sorted(cursor.fetchall())  # the audit log has them in the order of their ids


def _record(action: str, batch: Batch, lines: Sequence[audit.Line]) -> None:
    audit.record_all(
        action,
        actor=batch.actor,
        organization=batch.organization,
        kind="device",
        lines=lines,
        at=batch.at.at,
        by=batch.by,
    )
