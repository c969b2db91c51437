"""Real workers: what is started is done, and done once and whatever becomes of the worker in the middle."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from django.conf import settings
from django.db import connection

from devices import jobs
from devices.models import Device, Job
from devices.worker import worker
from tests.devices.jobs.made import make_job
from tests.factories import make_fleet
from tests.worker import IMPATIENT, PATIENCE, a_worker, start_worker, wait_until

pytestmark = pytest.mark.django_db(transaction=True)

# A worker whose job makes a device and then waits for a lock that the test holds.
HELD = f"""{IMPATIENT}
from django.db import connection
from devices.operations import lifecycle
from devices.worker.registry import KINDS
from fleets.models import Fleet

def doing(run):
    run.progress(1, 2)
    lifecycle.preregister(fleet=Fleet.objects.get(), actor=None, name="made")
    with connection.cursor() as cursor:
        while True:
            cursor.execute("SELECT pg_try_advisory_xact_lock(77)")
            if cursor.fetchone()[0]:
                return "made"
            run.progress(1)

KINDS["preregister"] = doing
asyncio.run(worker.work())
"""


@pytest.fixture
def job() -> Job:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")
    return make_job(make_fleet().organization)


@contextmanager
def held() -> Iterator[None]:
    """Nobody's job can end in this block."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(77)")
        yield
        cursor.execute("SELECT pg_advisory_unlock(77)")


def state(job: Job) -> tuple[str, int, int]:
    job.refresh_from_db()
    return job.state, job.done, job.attempt


@pytest.mark.thorough
def test_the_job_of_a_killed_worker_is_done_by_another_once(job: Job) -> None:
    with held():
        killed = start_worker("-c", HELD)
        wait_until(lambda: state(job) == ("running", 1, 1))
        killed.kill()
        killed.wait(PATIENCE)
        assert not Device.objects.exists()
        assert state(job) == ("running", 1, 1)
    with a_worker("-c", HELD):
        wait_until(lambda: state(job) == ("done", 2, 2))
    assert Device.objects.count() == 1


@pytest.mark.thorough
def test_a_worker_that_was_taken_for_dead_goes_on_and_its_job_is_done_once(job: Job) -> None:
    """As when the database's clock is set forward between two of its signs."""
    with a_worker("-c", HELD):
        with held(), connection.cursor() as cursor:
            wait_until(lambda: state(job) == ("running", 1, 1))
            cursor.execute("DELETE FROM procrastinate_workers")  # as whoever looks for dead ones does
            wait_until(lambda: state(job) == ("running", 1, 2))
        wait_until(lambda: state(job) == ("done", 2, 2))
        second = make_job(job.organization)
        wait_until(lambda: state(second)[0] == "done")
    assert Device.objects.count() == 2


@pytest.mark.thorough
def test_a_worker_that_is_asked_to_end_gives_its_job_back_and_leaves_nothing(job: Job) -> None:
    with held():
        process = start_worker("-c", HELD)
        wait_until(lambda: state(job) == ("running", 1, 1))
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
        assert state(job)[0] == Job.State.WAITING
        assert not Device.objects.exists()


def test_a_running_job_is_cancelled(job: Job) -> None:
    with held(), a_worker("-c", HELD):
        wait_until(lambda: state(job) == ("running", 1, 1))
        jobs.cancel(job=job, actor=None)
        wait_until(lambda: state(job) == ("cancelled", 0, 1))
    assert not Device.objects.exists()


def test_what_is_started_while_a_worker_waits_is_done_and_forgotten_by_procrastinate(job: Job) -> None:
    """By the application's role, to which the owner's tables and functions are open."""
    with a_worker("-c", HELD):
        wait_until(lambda: state(job)[0] == "done")
        second = make_job(job.organization)
        wait_until(lambda: state(second)[0] == "done")
        wait_until(nothing_known)


def nothing_known() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM procrastinate_jobs")
        return bool(cursor.fetchone() == (0,))


def end_sessions(pid: int | None = None) -> None:
    """End a database session of the application's role, or all of them, as that role may."""
    name = connection.settings_dict["NAME"]
    with psycopg.connect(settings.DATABASE_DIRECT_URL, dbname=name, autocommit=True) as own:
        own.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = current_database()"
            " AND usename = current_user AND pid <> pg_backend_pid() AND pid = COALESCE(%s, pid)",
            [pid],
        )


def test_a_connection_that_the_server_ended_is_noticed_without_asking_it() -> None:
    async def look() -> None:
        name = connection.settings_dict["NAME"]
        opened = await worker.Connection.connect(settings.DATABASE_DIRECT_URL, dbname=name, autocommit=True)
        async with opened:
            await worker.check_open(opened)
            await asyncio.to_thread(end_sessions, opened.info.backend_pid)
            with pytest.raises(psycopg.OperationalError):
                await worker.check_open(opened)

    asyncio.run(look())


def test_a_worker_whose_sessions_the_server_ended_does_what_is_started_afterwards(job: Job) -> None:
    with a_worker("-c", HELD):
        wait_until(lambda: state(job)[0] == "done")
        end_sessions()
        second = make_job(job.organization)
        wait_until(lambda: state(second)[0] == "done")
