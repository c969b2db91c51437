"""One process does all that a small site does in the background: it ends as a whole, and is started again."""

from __future__ import annotations

import asyncio
import signal
import threading

import psutil
import pytest
from django.db import connection

from dashboard.management.commands import run_background
from devices import clock, connectivity
from devices.models import Device, Job
from tests.devices.jobs.made import make_job
from tests.factories import make_device, make_fleet, seconds
from tests.worker import PATIENCE, a_worker, wait_until

# What `make run` starts beside the site.
BESIDE = """
import os
from dashboard.serve import beside
from dashboard.server.processes import run_together
run_together(beside("", os.environ, demo=False), lambda program: None)
"""


def lost() -> Device:
    """A device whose heartbeat was lost a while ago, which nobody has recorded."""
    device = make_device(make_fleet(poll_interval=10))
    connectivity.record_heartbeats([device.pk], clock.now() - seconds(90))
    return device


def is_settled(device: Device) -> bool:
    device.refresh_from_db()
    return device.heartbeat_state == "lost"


def is_done(job: Job) -> bool:
    job.refresh_from_db()
    return job.ended


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("number", [pytest.param(signal.SIGINT, marks=pytest.mark.thorough), signal.SIGTERM])
def test_one_process_settles_and_works_until_a_signal_ends_it(number: signal.Signals) -> None:
    device = lost()
    job = make_job(device.organization)
    with a_worker("manage.py", "run_background", "--verbosity", "0") as process:
        wait_until(lambda: is_settled(device) and is_done(job))
        process.send_signal(number)
        assert process.wait(PATIENCE) == 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM procrastinate_workers")
        assert cursor.fetchone() == (0,)  # it has said that it ends


@pytest.mark.thorough
@pytest.mark.django_db(transaction=True)
def test_a_killed_one_is_started_again() -> None:
    first = lost()
    with a_worker("-c", BESIDE) as runner:
        wait_until(lambda: is_settled(first))
        (killed,) = psutil.Process(runner.pid).children()
        killed.kill()
        second = lost()
        wait_until(lambda: is_settled(second))
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_workers")  # the killed one, which no test empties


def test_where_one_part_breaks_the_others_end_and_it_is_said_why(monkeypatch: pytest.MonkeyPatch) -> None:
    told = list[str]()

    async def working(ended: asyncio.Event) -> None:
        await ended.wait()
        told.append("worker")

    def watching(stopped: threading.Event) -> None:
        if stopped.wait(PATIENCE):
            told.append("watch")

    def breaking(stopped: threading.Event) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(run_background, "keep_working", working)
    with pytest.raises(RuntimeError, match="broken"):
        asyncio.run(run_background.run_together([watching, breaking]))
    assert sorted(told) == ["watch", "worker"]
