"""Work in the background: started, watched, cancelled. What a run itself does with its job:
devices/jobs/runner.py.

A job is written, and handed to the workers, in the caller's transaction: it exists if that commits, and
only then. Those of one organization run one after the other, in the order they were started.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from procrastinate.contrib.django import app

from devices import clock
from devices.models import Job
from fleets import audit
from fleets.access import roles
from fleets.models import Role

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from fleets.actor import Actor
    from fleets.models import Organization

KEPT = timedelta(days=90)  # how long a job that has ended is listed
TASK = "devices.job"  # what procrastinate knows it by (devices/worker/registry.py)


class Ended(Exception):
    """The job has ended already."""


@transaction.atomic
def start(  # noqa: PLR0913 - what stands in a job's row
    *,
    kind: Job.Kind,
    organization: Organization,
    title: str,
    actor: Actor | None,
    by: str = audit.CONSOLE,
    parameters: Mapping[str, Any],
    total: int | None = None,
    whole: bool = True,
    least: Role = Role.OPERATOR,
    at: datetime | None = None,
) -> Job:
    """Have this done by a worker. The caller has asked whether the actor may; each step of a run asks again.

    `parameters` become JSON and hold no secret. `whole`: its run applies nothing or all, in one transaction.
    `least` is the role that it requires of the actor, to its end, and of anyone who cancels it. `by` names
    who starts it where no person does.
    """
    job = Job.objects.create(
        kind=Job.Kind(kind),
        organization=organization,
        title=title,
        parameters=dict(parameters),
        total=total,
        whole=whole,
        least_role=least,
        started_by_id=actor.pk if actor else None,
        started_by_name=(actor.get_username() if actor else by)[:255],
        started_from=audit.address(),
        created_at=at or clock.now(),
    )
    hand_over(job)
    return job


def hand_over(job: Job) -> None:
    """Tell the workers, once the transaction commits."""
    lock = f"organization-{job.organization_id}"
    app.configure_task(TASK, lock=lock).defer(job=str(job.uuid))


@transaction.atomic
def cancel(*, job: Job, actor: Actor | None, at: datetime | None = None) -> None:
    """Ask the job to stop; one that nobody has begun yet never begins. Repeating it changes nothing.

    Raises PermissionDenied, Ended.
    """
    roles.require(actor, Role(job.least_role), job.organization)
    at, by = at or clock.now(), actor.get_username() if actor else audit.CONSOLE
    now = Job.objects.select_for_update(no_key=True).get(pk=job.pk)
    if now.ended:
        raise Ended(f"{now} has ended already")
    if not now.may_stop:
        raise PermissionDenied(f"{now} goes on to its end")
    if now.cancel_at:
        return
    values: dict[str, Any] = {"cancel_at": at, "cancelled_by_name": by}
    if now.state == Job.State.WAITING:
        values |= {"state": Job.State.CANCELLED, "finished_at": at}
    Job.objects.filter(pk=job.pk).update(**values)
    subject = ("job", str(job.uuid), job.title)
    audit.record("job-cancelled", actor=actor, organization=job.organization, subject=subject, at=at)


def forget(at: datetime | None = None) -> int:
    """Drop jobs that ended long ago, with their results; returns how many."""
    old = Job.objects.filter(finished_at__lte=(at or clock.now()) - KEPT)
    return old.delete()[1].get("devices.Job", 0)
