"""Freezing and thawing devices: applying the rule after a change of its inputs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any, Final

from django.db import connection

from devices.clock import Moment
from devices.freezing.rule import ALL, BORDER, CHANGES, OWN, line_of, rows_of
from devices.transitions.write import settle_devices
from fleets.access import locks
from fleets.models import Organization

WRITE: Final = """
UPDATE devices_device d SET frozen_reason = moves.reason, facts_at = %(at)s,
    facts_reason = jsonb_build_object('slug', CASE moves.reason WHEN '' THEN 'thawed' ELSE 'frozen' END,
                                      'reason', COALESCE(NULLIF(moves.reason, ''), d.frozen_reason))
FROM unnest(%(ids)s::bigint[], %(reasons)s::text[]) AS moves(id, reason)
WHERE d.id = moves.id
"""
INACTIVE: Final = """
SELECT DISTINCT d.organization_id FROM devices_device d WHERE d.id = ANY(%(ids)s) AND NOT d.is_active
"""
BY_ORGANIZATION: Final = """
SELECT d.organization_id, array_agg(d.id) FROM devices_device d
WHERE d.id = ANY(%(ids)s) GROUP BY 1 ORDER BY 1
"""

# Reports progress: how many devices are written, and in the first call how many will be (later None).
Tell = Callable[[int, int | None], None]
BATCH: Final = 2000  # devices written by one statement


def hold_for_contact(ids: Collection[int]) -> None:
    """Lock the organizations of those devices (by id) that a contact will activate, as a rule none."""
    if found := rows_of(INACTIVE, ids=list(ids)):
        locks.hold(organization_id for (organization_id,) in found)


def refreeze(
    organization_id: int, at: Moment, devices: Collection[int] | None = None, tell: Tell | None = None
) -> int:
    """Freeze and thaw devices by the rule, after a change of its inputs; the organization is locked.

    `devices` are the ids of those whose own inputs changed (created, deleted, moved, active or not). None:
    inputs of the organization or of a fleet changed, so all its devices are evaluated. `tell` is called with
    the progress. Returns how many devices changed.
    """
    organization = Organization.objects.get(pk=organization_id)
    line, ids = line_of(organization), list(devices or ())
    which = ALL if devices is None else OWN if organization.allowance is None else BORDER
    changes: list[Any] = rows_of(CHANGES.format(which=which), ids=ids, **line)
    if not changes:
        return 0
    changes.sort()
    if tell:
        tell(0, len(changes))
    settle_devices([pk for pk, _ in changes], at)
    for start in range(0, len(changes), BATCH):
        _write(changes[start : start + BATCH], at.at)
        if tell:
            tell(min(start + BATCH, len(changes)), None)
    return len(changes)


def _write(changes: Sequence[tuple[int, str]], at: datetime) -> None:
    """Set the reasons of devices, given as (device id, reason); an empty reason thaws."""
    ids, reasons = [pk for pk, _ in changes], [reason for _, reason in changes]
    with connection.cursor() as cursor:
        cursor.execute(WRITE, {"ids": ids, "reasons": reasons, "at": at})


def refreeze_activated(devices: Collection[int], at: Moment) -> None:
    """Apply the rule after contact activated these devices (by id).

    Their organizations are locked by hold_for_contact; that of a device which was deactivated since is locked
    here, out of order: a deadlock is solved by the caller's second attempt.
    """
    found = rows_of(BY_ORGANIZATION, ids=list(devices)) if devices else []
    locks.hold(organization_id for organization_id, _ in found)
    for organization_id, ids in found:
        refreeze(organization_id, at, ids)
