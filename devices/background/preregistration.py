"""Preregister many devices from a list: checked and kept, confirmed, then made by a job, all or none.

The list's keys are another matter (devices/operations/key_handout.py): they are made when they are handed
out.
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

BATCH: Final = 500  # devices of one statement
KEPT: Final = timedelta(days=1)  # how long a list waits to be confirmed
TOLD: Final = 3  # faults that fit into a sentence


class Taken(UuidTaken):
    """Devices of this site have some of the UUIDs; `faults` names the lines."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        more = f" And {thousands(len(faults) - TOLD)} more." if len(faults) > TOLD else ""
        super().__init__(" ".join(map(str, faults[:TOLD])) + more)
        self.faults = faults


@transaction.atomic
def keep(
    *, fleet: Fleet, lines: Sequence[Line], file_name: str, actor: Actor, at: datetime | None = None
) -> DeviceList:
    """Keep a list without faults until it is confirmed, or a day has passed.

    Raises PermissionDenied, ceilings.Reached.
    """
    locks.hold([fleet.organization_id])
    roles.require(actor, Role.OPERATOR, fleet.organization)
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
    """Have the devices of the list made. Confirming again gives the same job. Raises PermissionDenied."""
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
    """Make the devices of the list, in the one transaction of its job."""
    listed = DeviceList.objects.select_related("fleet__organization").filter(job=run.job).first()
    if listed is None:
        raise Refused(of_site("Its {fleet} was deleted meanwhile."))
    lines, at = [Line(**line) for line in listed.lines], clock.moment()
    try:
        devices = make(fleet=listed.fleet, lines=lines, actor=run.actor, at=at, told=run.progress)
    except (Taken, FleetGone) as problem:
        raise Refused(f"{problem}.".replace("..", ".")) from problem
    run.all_done(devices)
    DeviceList.objects.filter(pk=listed.pk).update(lines=[])
    record(listed.fleet, devices, run.actor, at.at, file=listed.file_name, job=str(run.job.uuid))
    _record_each(run, listed.fleet, devices, at.at)
    return f"{thousands(len(devices))} devices are preregistered."


@transaction.atomic
def make(
    *,
    fleet: Fleet,
    lines: Sequence[Line],
    actor: Actor | None,
    at: Moment,
    told: Callable[[int], None] = lambda done: None,
) -> list[int]:
    """The devices of these lines, Inactive, by primary key; all or none.

    `told` is called with how many there are so far. The caller has asked whether the actor may, and writes
    the audit log. Raises Taken, FleetGone.
    """
    locks.hold([fleet.organization_id])
    now = Fleet.objects.filter(pk=fleet.pk).first()
    if now is None:
        raise FleetGone(f"{fleet} was deleted meanwhile")
    if faults := taken(lines):
        raise Taken(faults)
    made: list[int] = []
    for some in _batches(lines):
        made += _insert(_alike(now, actor, at.at), some)
        told(len(made))
    freezing.refreeze(fleet.organization_id, at, made)
    return made


def record(fleet: Fleet, devices: Sequence[int], actor: Actor | None, at: datetime, **more: Any) -> None:
    """One line for all: 10,000 would bury others."""
    audit.record(
        "devices-preregistered",
        actor=actor,
        organization=fleet.organization,
        subject=("fleet", fleet.slug, fleet.name),
        at=at,
        after={"devices": len(devices)} | more,
    )


def _record_each(run: Run, fleet: Fleet, devices: Sequence[int], at: datetime) -> None:
    """A line for each device, behind the one for all."""
    made = Device.objects.filter(pk__in=devices).order_by("pk").values_list("uuid", "name")
    lines: list[audit.Line] = [(uuid, name, None, {"fleet": fleet.slug}) for uuid, name in made]
    said: dict[str, Any] = {"actor": run.actor, "organization": fleet.organization, "at": at}
    with audit.coming_from(run.job.started_from, job=run.job.uuid):
        audit.record_all("device-preregistered", kind="device", lines=lines, **said)


def forget_unconfirmed(at: datetime | None = None) -> int:
    """Drop lists that nobody confirmed within a day; returns how many."""
    old = DeviceList.objects.filter(job=None, created_at__lte=(at or clock.now()) - KEPT)
    return old.delete()[0]


def _batches(lines: Sequence[Line]) -> Iterator[Sequence[Line]]:
    return (lines[start : start + BATCH] for start in range(0, len(lines), BATCH))


def _alike(fleet: Fleet, actor: Actor | None, at: datetime) -> Device:
    """What all devices of a list have in common."""
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
    """Raises Taken where one of them came in between from elsewhere."""
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
