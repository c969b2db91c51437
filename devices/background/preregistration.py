"""Preregistering many devices from a list: the list is kept, confirmed, and applied by a job, all or none.

The devices' keys are created later, when they are handed out (devices/operations/key_handout.py).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from django.db import transaction

from devices import clock, freezing, jobs
from devices.clock import Moment
from devices.jobs.runner import Refused, Run
from devices.keys import mirrored
from devices.models import Device, DeviceList, Job
from devices.operations import ceilings
from devices.operations.device_file import Fault, Line, taken
from devices.operations.lifecycle import FleetGone, UuidTaken
from devices.words import of_site, thousands
from fleets import audit
from fleets.access import locks, roles
from fleets.models import Fleet, Role
from fleets.postgres.bulk_insert import insert_copies
from fleets.postgres.unique import unique_violation

if TYPE_CHECKING:
    from fleets.actor import Actor

BATCH: Final = 500  # devices per statement
KEPT: Final = timedelta(days=1)  # how long a list is kept without being confirmed
NAMED: Final = 3  # faults that the text of an exception names


class Taken(UuidTaken):
    """Devices of this site already have some of the UUIDs; `faults` names the lines."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        more = f" And {thousands(len(faults) - NAMED)} more." if len(faults) > NAMED else ""
        super().__init__(" ".join(map(str, faults[:NAMED])) + more)
        self.faults = faults


@transaction.atomic
def keep(
    *, fleet: Fleet, lines: Sequence[Line], file_name: str, actor: Actor, at: datetime | None = None
) -> DeviceList:
    """Store a list without faults until it is confirmed, or a day has passed.

    Raises PermissionDenied, ceilings.Reached.
    """
    locks.hold([fleet.organization_id])
    roles.require(actor, Role.OPERATOR, fleet.organization)
    mirrored.require_own_fleet(fleet)
    ceilings.require_room_for_list(fleet.organization)
    return DeviceList.objects.create(
        organization=fleet.organization,
        fleet=fleet,
        file_name=file_name[:255],
        lines=[asdict(line) for line in lines],
        count=len(lines),
        uploaded_by_id=actor.pk,
        created_at=at or clock.now(),
    )


@transaction.atomic
def confirm(*, listed: DeviceList, actor: Actor, at: datetime | None = None) -> Job:
    """Start the job that creates the devices of the list; if confirmed before, returns that job.

    Raises PermissionDenied.
    """
    roles.require(actor, Role.OPERATOR, listed.organization)
    now = DeviceList.objects.select_for_update(no_key=True).get(pk=listed.pk)
    if now.job is not None:
        return now.job
    job = jobs.start(
        kind=Job.Kind.PREREGISTER,
        organization=listed.organization,
        title=f"Preregister {thousands(listed.count)} devices in {listed.fleet}"[:255],
        actor=actor,
        parameters={"list": str(listed.uuid)},
        total=listed.count,
        at=at,
    )
    DeviceList.objects.filter(pk=listed.pk).update(job=job)
    return job


def do(run: Run) -> str:
    """The work of the job: creates the devices of its list in one transaction. Raises Refused."""
    listed = DeviceList.objects.select_related("fleet__organization").filter(job=run.job).first()
    if listed is None:
        raise Refused(of_site("Its {fleet} was deleted meanwhile."))
    lines, at = [Line(**line) for line in listed.lines], clock.moment()
    try:
        devices = make(fleet=listed.fleet, lines=lines, actor=run.actor, at=at, progress=run.progress)
    except (Taken, FleetGone) as problem:
        raise Refused(f"{problem}.".replace("..", ".")) from problem
    run.all_done(devices)
    DeviceList.objects.filter(pk=listed.pk).update(lines=[])
    record(listed.fleet, devices, run.actor, at.at, file=listed.file_name, job=str(run.job.uuid))
    _record_devices(run, listed.fleet, devices, at.at)
    return f"{thousands(len(devices))} devices are preregistered."


@transaction.atomic
def make(
    *,
    fleet: Fleet,
    lines: Sequence[Line],
    actor: Actor | None,
    at: Moment,
    progress: Callable[[int], None] = lambda done: None,
) -> list[int]:
    """Create the devices of these lines, Inactive, all or none; returns their primary keys.

    `progress` is called with how many are created so far. The caller has checked the actor's role, and writes
    the audit log. Raises Taken, FleetGone.
    """
    locks.hold([fleet.organization_id])
    now = Fleet.objects.filter(pk=fleet.pk).first()
    if now is None:
        raise FleetGone(f"{fleet} was deleted meanwhile")
    if faults := taken(lines):
        raise Taken(faults)
    made: list[int] = []
    for batch in _batches(lines):
        made += _insert(_alike(now, actor, at.at), batch)
        progress(len(made))
    freezing.refreeze(fleet.organization_id, at, made)
    return made


def record(fleet: Fleet, devices: Sequence[int], actor: Actor | None, at: datetime, **more: Any) -> None:
    """Write one line into the audit log for all devices of a list; `more` is added to it."""
    audit.record(
        "devices-preregistered",
        actor=actor,
        organization=fleet.organization,
        subject=("fleet", fleet.slug, fleet.name),
        at=at,
        after={"devices": len(devices)} | more,
    )


def _record_devices(run: Run, fleet: Fleet, devices: Sequence[int], at: datetime) -> None:
    """Write a line for each device into the audit log, as parts of the job's line."""
    made = Device.objects.filter(pk__in=devices).order_by("pk").values_list("uuid", "name")
    lines: list[audit.Line] = [(uuid, name, None, {"fleet": fleet.slug}) for uuid, name in made]
    context: dict[str, Any] = {"actor": run.actor, "organization": fleet.organization, "at": at}
    with audit.coming_from(run.job.started_from, job=run.job.uuid):
        audit.record_all("device-preregistered", kind="device", lines=lines, **context)


def forget_unconfirmed(at: datetime | None = None) -> int:
    """Delete the lists that nobody confirmed within a day; returns how many."""
    old = DeviceList.objects.filter(job=None, created_at__lte=(at or clock.now()) - KEPT)
    return old.delete()[0]


def _batches(lines: Sequence[Line]) -> Iterator[Sequence[Line]]:
    return (lines[start : start + BATCH] for start in range(0, len(lines), BATCH))


def _alike(fleet: Fleet, actor: Actor | None, at: datetime) -> Device:
    """A device, not saved, with the values that all devices of a list share."""
    return Device(
        organization_id=fleet.organization_id,
        fleet=fleet,
        device_type=fleet.device_type,
        vpn_enabled=bool(fleet.vpn_enabled),
        created_at=at,
        facts_at=at,
        facts_reason={"slug": "preregistered"} | ({"by": actor.get_username()} if actor else {}),
    )


def _insert(alike: Device, lines: Sequence[Line]) -> list[int]:
    """Insert the devices of these lines; returns their primary keys.

    Raises Taken where a UUID came in between.
    """
    own: dict[str, list[Any]] = {
        "uuid": [line.uuid or secrets.token_hex(16) for line in lines],
        "name": [line.name for line in lines],
        "device_type": [line.device_type or alike.device_type for line in lines],
        "tags": [line.tags for line in lines],
        "notes": [line.notes for line in lines],
        "poll_interval": [line.poll_interval for line in lines],
    }
    with unique_violation(lambda _: Taken(faults) if (faults := taken(lines)) else None):
        inserted = insert_copies(alike, **own)
    return inserted
