"""Bulk actions: the role that each needs, which devices it skips and why, and what it does to a batch.

An action applies to the devices of a Selection. A job applies it to some hundreds at a time
(devices/background/bulk_action.py), by the functions that the page of a single device uses as well, so that
the rules are the same for one and for many.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from django.db import connection, transaction
from django.db.models import Q, QuerySet

from devices import clock, jobs
from devices.keys import mirrored
from devices.listing import kept_list
from devices.listing.kept_list import KeptList
from devices.models import Device, Job, SelectedDevice, Selection
from devices.operations import batch as batch_actions
from devices.operations import ceilings, lifecycle
from devices.operations.batch import Batch, Outcomes
from fleets import audit
from fleets.access import roles
from fleets.models import Fleet, Organization, Role
from fleets.text import isolated

if TYPE_CHECKING:
    from fleets.actor import Actor

KEPT: Final = timedelta(days=7)  # how long a selection is kept at most
NEEDED: Final = timedelta(days=1)  # how long a selection is kept without an action, or after that has ended

# The payload of an action: {"fleet": Fleet}, {"put": {...}, "drop": [...]}, {"poll_interval": 300}, or {}.
Payload = Mapping[str, Any]


@dataclass(frozen=True)
class Action:
    """A bulk action."""

    least: Role  # the role that it needs
    skips: Callable[
        [Payload], list[tuple[str, Q]]
    ]  # reasons to skip a device, with conditions; the first counts
    do: Callable[[Batch, Payload], Outcomes]  # applies it to a batch
    unchanged: Callable[[Payload], str]  # the reason given for a device that is UNCHANGED
    # Whether it may change a status or the line for the allowance: then the organization is locked.
    holds: bool = True
    # Whether the conditions of `skips` depend on the clock: then the devices are annotated by with_status.
    fades: bool = False


def _own(
    do: Callable[[Batch, Payload], Outcomes],
) -> Callable[[Batch, Payload], Outcomes]:
    """What `do` does, to the devices of a batch that are not read from a source."""

    def done(batch: Batch, payload: Payload) -> Outcomes:
        theirs = mirrored.mirrored(batch.ids)
        own = [pk for pk in batch.ids if pk not in theirs]
        outcomes = do(replace(batch, ids=own), payload) if own else {}
        return outcomes | dict.fromkeys(theirs, mirrored.IN_CHARGE)

    return done


@_own
def _move(batch: Batch, payload: Payload) -> Outcomes:
    fleet: Fleet = payload["fleet"]
    mirrored.require_own_fleet(fleet)
    return batch_actions.move(batch, fleet=fleet, vpn_enabled=lifecycle.defaults(fleet)[0])


def _retag(batch: Batch, payload: Payload) -> Outcomes:
    return batch_actions.retag(batch, put=payload["put"], drop=payload["drop"])


@_own
def _set_interval(batch: Batch, payload: Payload) -> Outcomes:
    return batch_actions.edit(batch, field="poll_interval", value=payload["poll_interval"])


@_own
def _deactivate(batch: Batch, payload: Payload) -> Outcomes:
    return batch_actions.deactivate(batch)


@_own
def _delete(batch: Batch, payload: Payload) -> Outcomes:
    return batch_actions.delete(batch)


def _tagged(payload: Payload) -> Q:
    return Q(tags__contains=payload["put"]) & ~Q(tags__has_any_keys=payload["drop"])


THEIRS: Final = (mirrored.IN_CHARGE, Q(mirrored__isnull=False))
LINKED: Final = "A link is up"
ACTIONS: Final[dict[str, Action]] = {
    "move": Action(
        Role.OPERATOR,
        lambda payload: [THEIRS, (f"Already in {isolated(payload['fleet'])}", Q(fleet=payload["fleet"]))],
        _move,
        lambda payload: f"Already in {isolated(payload['fleet'])}",
    ),
    "tag": Action(
        Role.OPERATOR,
        lambda payload: [("Already tagged this way", _tagged(payload))],
        _retag,
        lambda payload: "Already tagged this way",
        holds=False,
    ),
    "poll-interval": Action(
        Role.OPERATOR,
        lambda payload: [THEIRS, ("Already set", Q(**_held(payload["poll_interval"])))],
        _set_interval,
        lambda payload: "Already set",
        holds=False,
    ),
    "deactivate": Action(
        Role.OPERATOR,
        lambda payload: [
            THEIRS,
            ("Already inactive", Q(is_active=False)),
            (LINKED, Q(vpn=True) | Q(heartbeat__in=batch_actions.BEATING)),
        ],
        _deactivate,
        lambda payload: "Already inactive",
        fades=True,
    ),
    "delete": Action(
        Role.ADMINISTRATOR,
        lambda payload: [THEIRS],
        _delete,
        lambda payload: "",
    ),
}


def _held(interval: int | None) -> dict[str, Any]:
    return {"poll_interval__isnull": True} if interval is None else {"poll_interval": interval}


def as_parameters(payload: Payload) -> dict[str, Any]:
    """The payload as JSON values, for the parameters of a job."""
    return {name: value.slug if isinstance(value, Fleet) else value for name, value in payload.items()}


def from_parameters(kept: Mapping[str, Any], organization: Organization) -> dict[str, Any]:
    """The payload of a job's parameters. Raises Fleet.DoesNotExist where its fleet was deleted."""
    if "fleet" not in kept:
        return dict(kept)
    return {**kept, "fleet": Fleet.objects.get(organization=organization, slug=kept["fleet"])}


@transaction.atomic
def select(
    *,
    organization: Organization,
    devices: QuerySet[Device],
    listed: KeptList | None,
    at: datetime | None = None,
) -> Selection:
    """Create a selection of those of `devices` that are the organization's.

    `listed` is the list that they were taken from, whose filters each must still match when the action comes
    to it; None: they were ticked. Deletes old selections of the organization. Raises ceilings.Reached.
    """
    at = at or clock.now()
    _needless(at).filter(organization=organization).delete()
    ceilings.require_room_for_selection(organization)
    kept = None if listed is None else kept_list.stored(listed)
    selection = Selection.objects.create(organization=organization, kept=kept, total=0, created_at=at)
    chosen = devices.filter(organization=organization).order_by().values("organization_id", "pk", "uuid")
    sql, params = chosen.query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(INSERT.format(devices=sql), [selection.pk, *params])
        selection.total = cursor.rowcount
    selection.save(update_fields=["total"])
    return selection


def forget(at: datetime | None = None) -> int:
    """Delete old selections of all organizations; returns how many rows."""
    return _needless(at or clock.now()).delete()[0]


def _needless(at: datetime) -> QuerySet[Selection]:
    done = Q(job=None) | Q(job__finished_at__lte=at - NEEDED)
    return Selection.objects.filter(Q(created_at__lte=at - KEPT) | done & Q(created_at__lte=at - NEEDED))


INSERT: Final = """
INSERT INTO devices_selecteddevice (selection_id, organization_id, device_id, device_uuid)
SELECT %s, chosen.organization_id, chosen.id, chosen.uuid
FROM ({devices}) AS chosen (organization_id, id, uuid)
"""


def devices_in(selection: Selection) -> QuerySet[Device]:
    """The devices of the selection that are still in its organization."""
    ids = SelectedDevice.objects.filter(selection=selection).values("device_id")
    return Device.objects.filter(organization=selection.organization_id, pk__in=ids)


@transaction.atomic
def start(
    *,
    selection: Selection,
    action: str,
    payload: Payload,
    title: str,
    actor: Actor,
    at: datetime | None = None,
) -> Job:
    """Start the job that applies `action`, a key of ACTIONS, to the selection; `title` says what it does.

    Returns the job of the selection if one was started with it before. Raises PermissionDenied.
    """
    definition = ACTIONS[action]
    roles.require(actor, definition.least, selection.organization)
    # The job is read after the wait for the lock: a join would give the one before the wait.
    held = Selection.objects.select_for_update(no_key=True).get(pk=selection.pk)
    if held.job is not None:
        return held.job
    job = jobs.start(
        kind=Job.Kind.BULK,
        organization=selection.organization,
        title=title[:255],
        actor=actor,
        parameters={"selection": str(selection.uuid), "action": action, "said": as_parameters(payload)},
        total=selection.total,
        whole=False,
        least=definition.least,
        at=at,
    )
    Selection.objects.filter(pk=selection.pk).update(job=job)
    _record(job, actor)
    return job


def _record(job: Job, actor: Actor) -> None:
    """Write the line of the job into the audit log; the lines of the devices that it changes refer to it."""
    context: dict[str, Any] = {"actor": actor, "organization": job.organization, "at": job.created_at}
    subject = ("job", str(job.uuid), job.title)
    audit.record("job-started", subject=subject, after={"devices": job.total}, **context)


def rest(selection: Selection, after: int, most: int) -> Sequence[tuple[int, str]]:
    """The next devices of a selection with ids above `after`, `most` at most, as (id, UUID)."""
    behind = SelectedDevice.objects.filter(selection=selection, device_id__gt=after).order_by("device_id")
    return list(behind.values_list("device_id", "device_uuid")[:most])
