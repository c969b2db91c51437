"""The job runner: one run of a job, with its progress, its results, and how it ends.

Progress is written on a connection of its own, so that others see it while one long transaction runs. A run
that was taken for dead, or whose worker was killed, is followed by another one. The number of the attempt in
the job's row decides which run may write, so that no two apply the same change.

The person who started the job must keep the role until its end. It is checked with all progress, and again in
each transaction after its changes are made. Roles change with the organization locked, so a job that locks it
as well cannot lose the role between the check and the commit.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from django.core.exceptions import PermissionDenied
from django.db import OperationalError, connection, transaction
from django.db.models import F
from django.db.models.functions import Coalesce

from devices import clock, jobs
from devices.models import Job, JobResult
from fleets import audit
from fleets.access import roles
from fleets.models import Role
from fleets.postgres import availability
from fleets.postgres.bulk_insert import insert_copies

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models import QuerySet

    from devices.models import Device
    from fleets.actor import Actor

logger = logging.getLogger(__name__)

EVERY: Final = 0.25  # seconds between two writes of progress
MOST_ATTEMPTS: Final = 5  # after which a job fails that ends its worker each time
RUNNING: Final = Job.State.RUNNING
BROKE: Final = "Something went wrong on the server; its log says what."
WORN: Final = f"The worker ended in the middle of it {MOST_ATTEMPTS} times; the server's log says more."


class Refused(Exception):
    """The job cannot be done; the text says why, for the person who started it."""


class Cancelled(Exception):
    """A person cancelled the job."""


class Stopping(Exception):
    """The worker was asked to end: another worker begins the job again, or continues it."""


class Superseded(Exception):
    """Another run has the job, because this one was taken for dead."""


class Result(NamedTuple):
    """The outcome of a job for one device, with copies of its UUID and name."""

    device_id: int
    uuid: str
    name: str
    outcome: JobResult.Outcome
    why: str = ""


@dataclass
class Run:
    """One run of a job, given to the function that does its work.

    Its exceptions roll back the transaction.
    """

    job: Job
    progress_connection: BaseDatabaseWrapper
    stopping: Callable[[], bool]  # whether the worker was asked to end
    _next: float = field(default=0.0, init=False)  # when progress is written again, by the monotonic clock

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The parameters that the job was started with."""
        values: Mapping[str, Any] = self.job.parameters
        return values

    @property
    def actor(self) -> Actor | None:
        """The person who started the job, and acts; None: the site itself, or the console.

        Raises Refused where the account no longer exists.
        """
        job = self.job
        by_person = job.started_by_name != audit.CONSOLE and job.kind != Job.Kind.VPN
        if job.started_by is None and by_person:
            raise Refused(f"The account of {job.started_by_name} no longer exists. {self._left}")
        return job.started_by

    def progress(self, done: int, total: int | None = None) -> None:
        """Report the progress of a `whole` job: how many devices are done, and of how many, once known.

        May be called at any rate; it is written every EVERY seconds. Raises Cancelled, Stopping, Superseded
        and Refused, which the caller lets through.
        """
        now = time.monotonic()
        if now >= self._next or total is not None:
            self._next = now + EVERY
            self._go_on(PROGRESS, {"done": done, "total": total})
        self.require_role()

    @contextmanager
    def step(self) -> Iterator[list[Result]]:
        """One transaction of a job that is not `whole`; the block appends `result(...)` of each device.

        What the block does is committed together with the results. Raises Cancelled, Stopping, Superseded and
        Refused, which the caller lets through.
        """
        self._go_on(LOOK, {})
        with transaction.atomic():
            results: list[Result] = []
            yield results
            self.require_role()
            self._keep(results)
            if not _mine(self.job).update(done=F("done") + len(results)):
                raise Superseded

    def result(self, device: Device, outcome: JobResult.Outcome, why: str = "") -> Result:
        """The result of a device, to be appended in the transaction that changes it."""
        return Result(device.pk, device.uuid, device.name, outcome, why)

    def require_role(self) -> None:
        """Raises Refused where the person who started the job has lost the role or the account."""
        actor, job = self.actor, self.job
        if actor and not roles.still_has(actor.pk, Role(job.least_role), job.organization_id):
            role = Role(job.least_role).label
            lost = f"{job.started_by_name} no longer has the role {role} in {job.organization}."
            raise Refused(f"{lost} {self._left}")

    @property
    def _left(self) -> str:
        return "Nothing was changed." if self.job.whole else "What was done before that stays."

    def _keep(self, results: Sequence[Result]) -> None:
        if results:
            names = ("device_id", "device_uuid", "device_name", "outcome", "why")
            columns: dict[str, Sequence[Any]] = dict(zip(names, zip(*results, strict=True), strict=True))
            columns["why"] = [why[:255] for why in columns["why"]]
            insert_copies(JobResult(job=self.job, organization_id=self.job.organization_id), **columns)

    def all_done(self, devices: Sequence[int]) -> None:
        """Write results with the outcome DONE for these devices (by primary key) of a `whole` job."""
        with connection.cursor() as cursor:
            cursor.execute(ALL_DONE, {"job": self.job.pk, "devices": list(devices)})

    def finished_devices(self) -> set[int]:
        """The ids of devices that have a result of an earlier run, and are not to be done again."""
        return set(JobResult.objects.filter(job=self.job).values_list("device_id", flat=True))

    def _go_on(self, sql: str, values: Mapping[str, Any]) -> None:
        if self.stopping():
            raise Stopping
        with self.progress_connection.cursor() as cursor:
            cursor.execute(sql, {"id": self.job.pk, "attempt": self.job.attempt, **values})
            row = cursor.fetchone()
        if row is None:
            raise Superseded
        if row[0] is not None:
            raise Cancelled


ALL_DONE: Final = """
INSERT INTO devices_jobresult (job_id, organization_id, device_id, device_uuid, device_name, outcome, why)
SELECT %(job)s, organization_id, id, uuid, name, 'done', '' FROM devices_device
WHERE id = ANY(%(devices)s) ORDER BY id
"""
PROGRESS: Final = """
UPDATE devices_job SET done = %(done)s, total = COALESCE(%(total)s, total)
WHERE id = %(id)s AND attempt = %(attempt)s AND state = 'running' RETURNING cancel_at
"""
LOOK: Final = """
SELECT cancel_at FROM devices_job WHERE id = %(id)s AND attempt = %(attempt)s AND state = 'running'
"""

Work = Callable[[Run], str]  # does a job, and returns its outcome as a sentence


def run(uuid: UUID, *, kinds: Mapping[str, Work], stopping: Callable[[], bool] = lambda: False) -> None:
    """Run the job with this UUID, unless it has ended; its row has the outcome, whatever happens.

    `kinds` has the function of each kind of job; `stopping` tells whether the worker was asked to end.
    """
    job = _begin(uuid, clock.now())
    if job is None:
        return
    progress_connection = connection.copy()
    try:
        with audit.coming_from(job.started_from, job=None if job.whole else job.uuid):
            _do(Run(job, progress_connection, stopping), kinds[job.kind])
    except Superseded:
        logger.warning("job %s: another worker has it", job.uuid)
    except Stopping as stopped:
        _again(job, stopped)
    except Cancelled:
        _end(job, Job.State.CANCELLED, "")
    except (Refused, PermissionDenied) as refused:
        _end(job, Job.State.FAILED, str(refused))
    except Exception as error:
        if availability.is_away(error) or isinstance(error, OperationalError):  # a deadlock, say
            _again(job, error)
        else:
            logger.exception("job %s: attempt %s failed", job.uuid, job.attempt)
            _end(job, Job.State.FAILED, BROKE)
    finally:
        progress_connection.close()


def _begin(uuid: UUID, at: datetime) -> Job | None:
    """Take the job for this run, as its next attempt; None: it has ended, or had too many attempts."""
    with transaction.atomic():
        job = Job.objects.select_for_update(no_key=True).filter(uuid=uuid).first()
        if job is None or job.ended:
            return None
        job.state, job.started_at, job.attempt = RUNNING, at, job.attempt + 1
        if job.whole:
            job.done = 0
        if worn := job.attempt > MOST_ATTEMPTS:
            job.state, job.finished_at, job.words = Job.State.FAILED, at, WORN
        job.save(update_fields=["state", "started_at", "attempt", "done", "finished_at", "words"])
    return None if worn else job


def _do(run: Run, work: Work) -> None:
    run.progress(run.job.done)
    if not run.job.whole:
        _finish(run, work(run))
        return
    with transaction.atomic():
        _finish(run, work(run))


def _finish(run: Run, words: str) -> None:
    if run.job.whole:  # the steps of any other job have checked it
        run.require_role()
    facts: dict[str, Any] = {"state": Job.State.DONE, "finished_at": clock.now(), "words": words}
    if run.job.whole:
        facts["done"] = Coalesce(F("total"), F("done"))
    if not _mine(run.job).update(**facts):
        raise Superseded


def _end(job: Job, state: Job.State, words: str) -> None:
    """End the job as failed or cancelled; nothing of a `whole` job was done."""
    facts: dict[str, Any] = {"state": state, "finished_at": clock.now(), "words": words}
    if job.whole:
        facts["done"] = 0
    _mine(job).update(**facts)


def _again(job: Job, why: Exception) -> None:
    """Enqueue the job again after its transaction was rolled back, for another attempt by any worker."""
    logger.info("job %s: attempt %s stopped: %r", job.uuid, job.attempt, why)
    if availability.is_away(why):
        availability.drop()
    connection.close_if_unusable_or_obsolete()
    with transaction.atomic():
        if _mine(job).update(state=Job.State.WAITING):
            jobs.hand_over(job)


def _mine(job: Job) -> QuerySet[Job]:
    """The job's row, if this attempt may still write; else no row."""
    return Job.objects.filter(pk=job.pk, attempt=job.attempt, state=RUNNING)
