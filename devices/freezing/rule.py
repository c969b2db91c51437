"""The freezing rule as SQL: which devices an organization's plan freezes, and why (domain.md, Freezing)."""

from __future__ import annotations

from typing import Any, Final

from django.db import connection

from devices.models import Device
from fleets.models import Fleet, FleetType, Organization, Plan

# A device is in line for the allowance while it is active and nothing else freezes it.
IN_LINE: Final = "d.organization_id = %(organization)s AND d.is_active AND d.fleet_id <> ALL(%(paid_fleets)s)"
# The last device within the allowance, by its (activated_at, id); no row where all fit.
LAST_POSITION: Final = f"""
SELECT d.activated_at, d.id FROM {{devices}} d WHERE {IN_LINE}
ORDER BY d.activated_at, d.id OFFSET %(allowance)s - 1 LIMIT 1
"""
DEVICES: Final = "devices_device"
# All devices, with one of them supposed to be in another fleet.
SUPPOSED: Final = """(
    SELECT id, organization_id, is_active, activated_at,
           CASE WHEN id = %(moved)s THEN %(fleet)s ELSE fleet_id END AS fleet_id
    FROM devices_device)"""
# The reason that freezes a device `d`, or an empty text: the first that applies.
REASON: Final = """CASE
    WHEN %(unpaid)s THEN 'unpaid'
    WHEN d.fleet_id = ANY(%(paid_fleets)s) THEN 'fleet-type'
    WHEN d.is_active AND (d.activated_at, d.id) > (%(last_at)s::timestamptz, %(last_id)s::bigint)
        THEN 'allowance'
    ELSE '' END"""
CHANGES: Final = (
    f"SELECT d.id, {REASON} AS reason FROM devices_device d WHERE {{which}} AND d.frozen_reason <> {REASON}"
)
ALL: Final = "d.organization_id = %(organization)s"
OWN: Final = "d.id = ANY(%(ids)s::bigint[])"
# When k devices join, leave or change their position, only they and the k next to the border on either side
# can freeze or thaw. The border is before the first other device that the allowance freezes; an index of
# frozen devices alone finds it.
BORDER: Final = f"""d.id IN (
    SELECT unnest(%(ids)s::bigint[])
    UNION (SELECT d.id FROM devices_device d
           WHERE {IN_LINE} AND d.frozen_reason = '' AND NOT d.id = ANY(%(ids)s)
             AND (d.activated_at, d.id) < (
                SELECT COALESCE(min(first.activated_at), 'infinity'), COALESCE(min(first.id), 0) FROM (
                    SELECT d.activated_at, d.id FROM devices_device d
                    WHERE {IN_LINE} AND d.frozen_reason = 'allowance' AND NOT d.id = ANY(%(ids)s)
                    ORDER BY d.activated_at, d.id LIMIT 1
                ) AS first)
           ORDER BY d.activated_at DESC, d.id DESC LIMIT cardinality(%(ids)s::bigint[]))
    UNION (SELECT d.id FROM devices_device d
           WHERE {IN_LINE} AND d.frozen_reason = 'allowance' AND NOT d.id = ANY(%(ids)s)
           ORDER BY d.activated_at, d.id LIMIT cardinality(%(ids)s::bigint[])))"""


def line_of(organization: Organization, fleet: Fleet | None = None) -> dict[str, Any]:
    """The parameters of REASON for this organization: its inputs and the border of its allowance.

    The values of `organization` and `fleet` are used as they are, not as stored, so that a forecast can
    suppose others.
    """
    return _with_border(inputs_of(organization, fleet), DEVICES)


def reason_in(device: Device, fleet: Fleet) -> str:
    """The reason for which the device would be frozen in `fleet` of its organization; empty: it would not."""
    supposed = inputs_of(device.organization, fleet) | {"moved": device.pk, "fleet": fleet.pk}
    line = _with_border(supposed, SUPPOSED)
    reasons = rows_of(f"SELECT {REASON} FROM {SUPPOSED} d WHERE d.id = %(moved)s", **line)
    return next((reason for (reason,) in reasons), "")


def _with_border(inputs: dict[str, Any], devices: str) -> dict[str, Any]:
    """`inputs` with the last device within the allowance; `devices` is SQL of the relation of devices."""
    last: tuple[Any, Any] = (None, None)
    if inputs["allowance"] == 0:
        last = ("-infinity", 0)
    elif inputs["allowance"] is not None:
        last = next(iter(rows_of(LAST_POSITION.format(devices=devices), **inputs)), last)
    return inputs | {"last_at": last[0], "last_id": last[1]}


def inputs_of(organization: Organization, fleet: Fleet | None = None) -> dict[str, Any]:
    """The inputs of the rule, as SQL parameters: plan, allowance, unpaid invoices, and paid fleets.

    `fleet` replaces the stored fleet with its id.
    """
    paid_fleets: list[int] = []
    if organization.plan == Plan.FREE:
        types = dict(organization.fleets.values_list("pk", "type")) | (
            {fleet.pk: fleet.type} if fleet else {}
        )
        paid_fleets = sorted(pk for pk, type_ in types.items() if type_ == FleetType.PAID)
    return {
        "organization": organization.pk,
        "unpaid": organization.unpaid,
        "paid_fleets": paid_fleets,
        "allowance": organization.allowance,
    }


def rows_of(sql: str, **params: Any) -> list[tuple[Any, ...]]:
    """The rows that a statement of this module returns."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows
