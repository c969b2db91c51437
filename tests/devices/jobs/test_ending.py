"""Jobs that are cancelled, given back by their worker, lost or forgotten."""

from __future__ import annotations

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection

from devices import jobs
from devices.jobs.runner import Run
from devices.models import Device, Job, JobResult
from devices.worker.worker import hand_over_lost
from fleets.models import AuditEntry, Role
from tests.devices.jobs.made import do, handed_over, make_job
from tests.factories import T0, make_device, make_fleet, make_member, make_organization, seconds

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def no_work_left() -> None:
    """The workers' own tables are not ours, so no test empties them."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")


# Cancelling and stopping


def test_a_job_cancelled_before_it_begins_never_begins() -> None:
    job = make_job()
    jobs.cancel(job=job, actor=None, at=T0)
    ended = do(job, lambda at: "begun")
    assert (ended.state, ended.finished_at, ended.words) == (Job.State.CANCELLED, T0, "")


def test_a_job_cancelled_in_the_middle_leaves_nothing_behind() -> None:
    fleet = make_fleet()
    operator = make_member(fleet.organization, Role.OPERATOR, "olga")
    job = make_job(fleet.organization)

    def doing(at: Run) -> str:
        device = make_device(fleet)
        other = connection.copy()
        with other.cursor() as cursor:
            cursor.execute(
                "UPDATE devices_job SET cancel_at = now(), cancelled_by_name = 'olga' WHERE id = %s", [job.pk]
            )
        other.close()
        at.progress(1, 2)
        return f"{device} is there"

    ended = do(job, doing)
    assert (ended.state, ended.done, ended.cancelled_by_name) == (Job.State.CANCELLED, 0, operator.username)
    assert not Device.objects.exists()


def test_cancelling_is_for_the_role_that_the_job_names_and_stands_in_the_audit_log_once() -> None:
    organization = make_organization()
    job = make_job(organization, least=Role.ADMINISTRATOR)
    Job.objects.update(state=Job.State.RUNNING)
    with pytest.raises(PermissionDenied):
        jobs.cancel(job=job, actor=make_member(organization, Role.OPERATOR))
    administrator = make_member(organization, Role.ADMINISTRATOR, "ada")
    for _ in range(2):
        jobs.cancel(job=job, actor=administrator, at=T0)
    job.refresh_from_db()
    assert (job.state, job.cancel_at, job.cancelled_by_name) == ("running", T0, "ada")
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.actor_name, entry.subject_id) == ("job-cancelled", "ada", str(job.uuid))


def test_a_job_that_has_ended_cannot_be_cancelled() -> None:
    job = make_job()
    do(job, lambda at: "")
    with pytest.raises(jobs.Ended):
        jobs.cancel(job=job, actor=None)


def test_a_worker_that_is_to_end_gives_the_job_back_undone() -> None:
    fleet = make_fleet()
    asked: list[bool] = []

    def doing(at: Run) -> str:
        make_device(fleet)
        asked.append(True)
        at.progress(1, 2)
        return ""

    job = make_job(fleet.organization)
    given_back = do(job, doing, stopping=lambda: bool(asked))
    assert (given_back.state, given_back.words) == (Job.State.WAITING, "")
    assert handed_over() == [str(job.uuid)] * 2
    assert not Device.objects.exists()


# Lost, found and forgotten


def test_what_ended_long_ago_is_forgotten_with_its_results() -> None:
    fleet = make_fleet()
    device, old, kept = make_device(fleet), make_job(fleet.organization), make_job(fleet.organization)

    def doing(at: Run) -> str:
        at.all_done([device.pk])
        return ""

    for each in (old, kept):
        do(each, doing)
    make_job(fleet.organization)
    Job.objects.filter(pk=old.pk).update(finished_at=T0)
    Job.objects.filter(pk=kept.pk).update(finished_at=T0 + seconds(1))
    assert jobs.forget(T0 + jobs.KEPT) == 1
    assert Job.objects.count() == 2
    result = JobResult.objects.get()
    assert (result.job, result.device_uuid, result.outcome) == (kept, device.uuid, "done")


def test_a_job_that_the_workers_do_not_know_is_handed_over_again() -> None:
    job, known, ended = make_job(), make_job(), make_job()
    do(ended, lambda at: "")
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM procrastinate_jobs WHERE args ->> 'job' IN (%s, %s)",
            [str(job.uuid), str(ended.uuid)],
        )
    hand_over_lost()
    assert handed_over() == [str(known.uuid), str(job.uuid)]
