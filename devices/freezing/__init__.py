"""Which devices are locked, and the order they lock and free in (domain.md, Freezing).

Whatever changes an input calls `locks.hold` before it takes any other lock and `refreeze` at its end, in one
transaction: the organization's row is what such changes wait for each other at.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from django.db import connection, transaction

from devices import clock
from devices.transitions import write as transitions
from fleets import audit
from fleets.access import locks, roles
from fleets.models import Fleet, FleetType, Organization, Plan, Role

if TYPE_CHECKING:
    from devices.models import Device
    from fleets.actor import Actor

# A device has a place in line while it is active and nothing else freezes it.
IN_LINE: Final = "d.organization_id = %(organization)s AND d.is_active AND d.fleet_id <> ALL(%(paid_fleets)s)"
# The last place within the allowance: that device's (activated_at, id); none where all fit.
LAST_PLACE: Final = f"""
SELECT d.activated_at, d.id FROM devices_device d WHERE {IN_LINE}
ORDER BY d.activated_at, d.id OFFSET %(allowance)s - 1 LIMIT 1
"""
# The rule. First match wins.
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
# When k devices come, go or change their place, only they and the k next to the border can change sides. The
# border is where the first other one is that the allowance freezes: it is found by an index of these alone.
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
WRITE: Final = """
UPDATE devices_device d SET frozen_reason = moves.reason, facts_at = %(at)s,
    facts_reason = jsonb_build_object('slug', CASE moves.reason WHEN '' THEN 'thawed' ELSE 'frozen' END,
                                      'reason', COALESCE(NULLIF(moves.reason, ''), d.frozen_reason))
FROM unnest(%(ids)s::bigint[], %(reasons)s::text[]) AS moves(id, reason)
WHERE d.id = moves.id
"""

Tell = Callable[[int, int | None], None]  # how many are done, and once how many there are
BATCH: Final = 2000  # devices written by one statement


def hold_for_contact(ids: Collection[int]) -> None:
    """Lock the organizations of those of these devices that a contact will activate, as a rule none."""
    if found := rows_of(INACTIVE, ids=list(ids)):
        locks.hold(organization_id for (organization_id,) in found)


INACTIVE: Final = """
SELECT DISTINCT d.organization_id FROM devices_device d WHERE d.id = ANY(%(ids)s) AND NOT d.is_active
"""


def refreeze(
    organization_id: int, at: datetime, devices: Collection[int] | None = None, tell: Tell | None = None
) -> int:
    """Freeze and thaw what the rule says now that something changed; the organization is held.

    `devices` are those whose own inputs changed (come, gone, moved, active or not); None: the
    organization's or a fleet's did, so all its devices are looked at. `tell` hears how many are written, and
    at first of how many. Returns how many changed.
    """
    organization = Organization.objects.get(pk=organization_id)
    line, ids = line_of(organization), list(devices or ())
    which = ALL if devices is None else OWN if organization.allowance is None else BORDER
    changes = rows_of(CHANGES.format(which=which), ids=ids, **line)
    if not changes:
        return 0
    changes.sort()
    if tell:
        tell(0, len(changes))
    transitions.settle_devices([pk for pk, _ in changes], at)
    for start in range(0, len(changes), BATCH):
        batch = changes[start : start + BATCH]
        said: dict[str, Any] = {
            "ids": [pk for pk, _ in batch],
            "reasons": [reason for _, reason in batch],
            "at": at,
        }
        with connection.cursor() as cursor:
            cursor.execute(WRITE, said)
        if tell:
            tell(start + len(batch), None)
    return len(changes)


def refreeze_activated(devices: Collection[int], at: datetime) -> None:
    """After contact activated these devices.

    Their organizations are held since hold_for_contact, but for one whose device was deactivated since:
    that is held too late, which may end in a deadlock, and the caller's second attempt.
    """
    found = rows_of(BY_ORGANIZATION, ids=list(devices)) if devices else []
    locks.hold(organization_id for organization_id, _ in found)
    for organization_id, ids in found:
        refreeze(organization_id, at, ids)


BY_ORGANIZATION: Final = """
SELECT d.organization_id, array_agg(d.id) FROM devices_device d
WHERE d.id = ANY(%(ids)s) GROUP BY 1 ORDER BY 1
"""


class PlanChangedMeanwhile(Exception):
    """The plan is no longer the one that the change was made up from."""


def plan_version(organization: Organization) -> str:
    """Names plan, allowance and invoices as they were read, so that a change can tell whether they hold."""
    return f"{organization.plan} {organization.allowance} {organization.unpaid}"


@transaction.atomic
def change_plan(
    *,
    organization: Organization,
    actor: Actor | None,
    plan: Plan,
    allowance: int | None,
    unpaid: bool,
    seen: str | None = None,
    at: datetime | None = None,
    tell: Tell | None = None,
) -> int:
    """Set what the organization pays for; its devices freeze and thaw accordingly. Returns how many.

    `seen` is the `plan_version` that the change was made up from. Raises PermissionDenied, and
    PlanChangedMeanwhile where the plan is another one since.
    """
    at = at or clock.now()
    locks.hold([organization.pk])
    roles.require(actor, Role.OWNER, organization)
    after = {"plan": str(plan), "allowance": allowance, "unpaid": unpaid}
    now = Organization.objects.get(pk=organization.pk)
    if seen is not None and seen != plan_version(now):
        raise PlanChangedMeanwhile(f"The plan of {now} was changed meanwhile.")
    before: dict[str, Any] = {name: getattr(now, name) for name in after}
    if before == after:
        return 0
    Organization.objects.filter(pk=organization.pk).update(**after)
    subject = ("organization", organization.slug, organization.name)
    change: dict[str, Any] = {"before": before, "after": after}
    audit.record("plan-changed", actor=actor, organization=organization, subject=subject, at=at, **change)
    return refreeze(organization.pk, at, tell=tell)


def place_in_line(device: Device) -> int:
    """Which place this active device has among those that nothing but the allowance may freeze, from 1.

    One query of the index device_place, as long as the line before it.
    """
    own = {"own_at": device.activated_at, "own_id": device.pk}
    ((place,),) = rows_of(PLACE, **_inputs(Organization.objects.get(pk=device.organization_id)), **own)
    return int(place)


PLACE: Final = f"""
SELECT count(*) FROM devices_device d
WHERE {IN_LINE} AND (d.activated_at, d.id) <= (%(own_at)s, %(own_id)s)
"""


@dataclass(frozen=True)
class Named:
    """A device by the name that it is shown by."""

    uuid: str
    name: str


def next_turns(organization: Organization) -> tuple[Named | None, Named | None]:
    """Who freezes next, should a place go, and who thaws next, should one come; in one query.

    Both stand beside the border as it is recorded, so that each is found by its index at once.
    """
    if organization.allowance is None or organization.unpaid:
        return None, None
    found = {kind: Named(uuid, name or uuid[:7]) for kind, uuid, name in rows_of(TURNS, own=organization.pk)}
    return found.get("freezes"), found.get("thaws")


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


def line_of(organization: Organization, fleet: Fleet | None = None) -> dict[str, Any]:
    """What REASON needs to know of the organization: its flags and the border of its allowance.

    The organization as it is given, and `fleet`, are taken at their word: they may be a supposition.
    """
    inputs = _inputs(organization, fleet)
    last: tuple[Any, Any] = (None, None)
    if organization.allowance == 0:
        last = ("-infinity", 0)
    elif organization.allowance is not None:
        last = next(iter(rows_of(LAST_PLACE, **inputs)), last)
    return inputs | {"last_at": last[0], "last_id": last[1]}


def _inputs(organization: Organization, fleet: Fleet | None = None) -> dict[str, Any]:
    """What the organization says of its devices: plan, allowance and invoices."""
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
    """What a statement of this rule finds."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows
