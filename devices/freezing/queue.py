"""The line for an allowance: the position of a device in it, and which devices freeze and thaw next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from devices.freezing.rule import IN_LINE, inputs_of, rows_of
from devices.models import Device
from fleets.models import Organization

POSITION: Final = f"""
SELECT count(*) FROM devices_device d
WHERE {IN_LINE} AND (d.activated_at, d.id) <= (%(own_at)s, %(own_id)s)
"""
TURNS: Final = """
WITH thaws AS (
    SELECT d.uuid, d.name, d.activated_at, d.id FROM devices_device d
    WHERE d.organization_id = %(own)s AND d.is_active AND d.frozen_reason = 'allowance'
    ORDER BY d.activated_at, d.id LIMIT 1
), freezes AS (
    SELECT d.uuid, d.name FROM devices_device d
    WHERE d.organization_id = %(own)s AND d.is_active AND d.frozen_reason = ''
      AND (d.activated_at, d.id) < (COALESCE((SELECT activated_at FROM thaws), 'infinity'),
                                    COALESCE((SELECT id FROM thaws), 0))
    ORDER BY d.activated_at DESC, d.id DESC LIMIT 1
)
SELECT 'freezes', uuid, name FROM freezes UNION ALL SELECT 'thaws', uuid, name FROM thaws
"""


@dataclass(frozen=True)
class Named:
    """A device by its UUID and the name that is shown."""

    uuid: str
    name: str


def position_in_line(device: Device) -> int:
    """The position, from 1, of this active device among those that only the allowance may freeze.

    One query by the index device_place, whose time grows with the position.
    """
    own = {"own_at": device.activated_at, "own_id": device.pk}
    ((position,),) = rows_of(
        POSITION, **inputs_of(Organization.objects.get(pk=device.organization_id)), **own
    )
    return int(position)


def next_turns(organization: Organization) -> tuple[Named | None, Named | None]:
    """The device that freezes next if the allowance shrinks, and the one that thaws next if it grows.

    None where there is none. One query: both are next to the recorded border, and found by indexes.
    """
    if organization.allowance is None or organization.unpaid:
        return None, None
    found = {kind: Named(uuid, name or uuid[:7]) for kind, uuid, name in rows_of(TURNS, own=organization.pk)}
    return found.get("freezes"), found.get("thaws")
