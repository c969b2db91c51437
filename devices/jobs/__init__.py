"""Background jobs: starting and cancelling them. How a worker runs one is in devices/jobs/runner.py.

A job is written, and enqueued for the workers, in the caller's transaction: it exists if and only if that
commits. Jobs of one organization run one after the other, in the order in which they were started.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied
from django.db import connection, transaction
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

UNDER_WAY = (Job.State.WAITING, Job.State.RUNNING)
KEPT = timedelta(days=90)  # how long a job that has ended is listed
TASK = "devices.job"  # the name of the task in procrastinate (devices/worker/worker.py)


class Ended(Exception):
    """The job has ended already."""


@transaction.atomic
def start(  # noqa: PLR0913 - the columns of a job
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
    """Start a job of this kind. The caller has checked the actor's role; each step of a run checks it again.

    `title` says what the job does. `parameters` are stored as JSON, so they hold no secret. `total` is the
    number of devices, if known. `whole`: a run does all or nothing, in one transaction. `least` is the role
    that the actor must keep until its end, and that cancelling it needs. `by` names who starts it where
    `actor` is None.
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


@transaction.atomic
def start_once(**facts: Any) -> Job:
    """The job with these arguments of `start` that has not ended, or a new one: a form may be sent twice.

    An advisory lock is taken and not the organization's row, which a job locks as long as it runs.
    """
    identity = {name: facts[name] for name in ("organization", "kind", "parameters")}
    with connection.cursor() as cursor:
        lock = f"start a job of organization {facts['organization'].pk}"
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [lock])
    return Job.objects.filter(**identity, state__in=UNDER_WAY).first() or start(**facts)


def hand_over(job: Job) -> None:
    """Enqueue the job for the workers, in the caller's transaction."""
    lock = f"organization-{job.organization_id}"
    app.configure_task(TASK, lock=lock).defer(job=str(job.uuid))


@transaction.atomic
def cancel(*, job: Job, actor: Actor | None, at: datetime | None = None) -> None:
    """Ask the job to stop; a job that waits is cancelled at once. Repeating it changes nothing.

    Raises PermissionDenied (also where the job may not be cancelled), Ended.
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
    """Delete the jobs that ended more than KEPT ago, with their results; returns how many jobs."""
    old = Job.objects.filter(finished_at__lte=(at or clock.now()) - KEPT)
    return old.delete()[1].get("devices.Job", 0)
