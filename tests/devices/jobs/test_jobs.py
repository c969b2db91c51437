"""Jobs in the background: started with their transaction, seen while they run, whole or by steps, once."""

from __future__ import annotations

import uuid

import pytest
from django.db import OperationalError, connection, transaction

from devices.jobs.runner import BROKE, MOST_ATTEMPTS, WORN, Refused, Run, run
from devices.models import Device, Job, JobResult
from tests.devices.jobs.made import do, handed_over, make_job
from tests.factories import T0, make_device, make_fleet

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def no_work_left() -> None:
    """The workers' own tables are not ours, so no test empties them."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")


def seen(job: Job) -> tuple[str, int]:
    """State and progress, as another connection sees them."""
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT state, done FROM devices_job WHERE id = %s", [job.pk])
            row: tuple[str, int] = cursor.fetchone()
            return row
    finally:
        other.close()


# Starting


def test_a_job_exists_and_is_handed_over_once_its_transaction_commits() -> None:
    with transaction.atomic():
        job = make_job(total=2)
    assert handed_over() == [str(job.uuid)]
    assert (job.state, job.done, job.total, job.created_at) == (Job.State.WAITING, 0, 2, T0)


def test_no_job_is_left_of_a_transaction_that_was_undone() -> None:
    with transaction.atomic():
        make_job()
        transaction.set_rollback(True)
    assert handed_over() == []
    assert not Job.objects.exists()


def test_a_kind_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        make_job(kind="nonsense")


# Running


def test_progress_is_seen_while_the_one_transaction_runs_and_nothing_else_is() -> None:
    fleet, found = make_fleet(), []
    job = make_job(fleet.organization)

    def doing(at: Run) -> str:
        make_device(fleet)
        at.progress(1, 2)
        found.append(seen(job))
        return "Two are there."

    ended = do(job, doing)
    assert found == [("running", 1)]
    assert (ended.state, ended.done, ended.total, ended.words) == (Job.State.DONE, 2, 2, "Two are there.")
    assert Device.objects.count() == 1


def test_progress_is_written_a_few_times_a_second_however_often_it_is_told() -> None:
    job, found = make_job(), []

    def doing(at: Run) -> str:
        at.progress(1, 9)
        at.progress(2)
        found.append(seen(job))
        return ""

    do(job, doing)
    assert found == [("running", 1)]


@pytest.mark.parametrize(
    ("raised", "words"),
    [(Refused("Line 3 is bad."), "Line 3 is bad."), (ZeroDivisionError(), BROKE)],
    ids=["refused", "broken"],
)
def test_a_whole_job_that_fails_leaves_nothing_behind_and_says_why(raised: Exception, words: str) -> None:
    fleet = make_fleet()

    def doing(at: Run) -> str:
        make_device(fleet)
        at.progress(1, 2)
        raise raised

    ended = do(make_job(fleet.organization), doing)
    assert (ended.state, ended.done, ended.words) == (Job.State.FAILED, 0, words)
    assert ended.finished_at is not None
    assert not Device.objects.exists()


def test_a_job_that_has_ended_is_not_done_again() -> None:
    job = make_job()
    do(job, lambda at: "once")
    assert do(job, lambda at: "twice").words == "once"


def test_a_job_that_is_no_more_is_nothing_to_do() -> None:
    run(uuid.uuid4(), kinds={})


def test_a_deadlock_begins_the_job_again() -> None:
    job, times = make_job(), []

    def doing(at: Run) -> str:
        times.append(at.job.attempt)
        if len(times) == 1:
            raise OperationalError("deadlock detected")
        return "at last"

    assert do(job, doing).state == Job.State.WAITING
    assert handed_over() == [str(job.uuid)] * 2
    assert do(job, doing).words == "at last"
    assert times == [1, 2]


def test_a_job_that_ends_its_worker_each_time_is_given_up() -> None:
    job = make_job()
    Job.objects.update(state=Job.State.RUNNING, attempt=MOST_ATTEMPTS)
    ended = do(job, lambda at: "never comes to this")
    assert (ended.state, ended.words) == (Job.State.FAILED, WORN)


# Two runs of one job


def test_a_run_that_was_taken_for_dead_applies_nothing() -> None:
    """Its successor began meanwhile: whichever way it notices, by progress or at its end."""
    fleet = make_fleet()
    for tells in (True, False):
        job = make_job(fleet.organization)

        def doing(at: Run, *, job: Job = job, tells: bool = tells) -> str:
            make_device(fleet)
            other = connection.copy()
            with other.cursor() as cursor:
                cursor.execute("UPDATE devices_job SET attempt = attempt + 1 WHERE id = %s", [job.pk])
            other.close()
            if tells:
                at.progress(1, 2)
            return "Should not be said."

        ended = do(job, doing)
        assert (ended.state, ended.words) == (Job.State.RUNNING, "")
        assert not Device.objects.exists()


# By steps


def test_steps_stay_and_a_run_after_it_does_not_do_a_device_twice() -> None:
    fleet = make_fleet()
    devices = [make_device(fleet, name=f"pump-{number}") for number in range(3)]
    done: list[str] = []
    stops = [True, False]

    def doing(at: Run) -> str:
        finished = at.finished_devices()
        for device in devices:
            if device.pk in finished:
                continue
            with at.step() as results:
                done.append(device.name)
                results.append(at.result(device, JobResult.Outcome.SKIPPED, "is online"))
            if stops.pop():
                raise OperationalError("the database went away")
            stops.append(False)
        return ""

    job = make_job(fleet.organization, whole=False, total=3)
    stops.reverse()
    first = do(job, doing)
    assert (first.state, first.done) == (Job.State.WAITING, 1)
    stops[:] = [False]
    ended = do(job, doing)
    assert (ended.state, ended.done) == (Job.State.DONE, 3)
    assert done == ["pump-0", "pump-1", "pump-2"]
    assert list(JobResult.objects.values_list("device_name", "outcome", "why")) == [
        (device.name, "skipped", "is online") for device in devices
    ]


def test_a_step_that_fails_is_undone_with_its_results() -> None:
    fleet = make_fleet()
    device = make_device(fleet)

    def doing(at: Run) -> str:
        with at.step() as results:
            Device.objects.filter(pk=device.pk).update(notes="half")
            results.append(at.result(device, JobResult.Outcome.DONE))
            raise Refused("No.")

    ended = do(make_job(fleet.organization, whole=False), doing)
    assert (ended.state, ended.done) == (Job.State.FAILED, 0)
    assert Device.objects.get().notes == ""
    assert not JobResult.objects.exists()
