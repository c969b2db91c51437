"""Lists of devices of tests: kept, and made devices of."""

from __future__ import annotations

from dashboard.models import User
from devices.background import preregistration
from devices.jobs.runner import run
from devices.models import DeviceList, Job
from devices.operations.device_file import Line
from devices.worker.registry import KINDS
from fleets.models import Fleet
from tests.factories import T0


def keep(fleet: Fleet, operator: User, *lines: Line) -> DeviceList:
    return preregistration.keep(fleet=fleet, lines=lines, file_name="pumps.csv", actor=operator, at=T0)


def make(fleet: Fleet, operator: User, *lines: Line) -> Job:
    job = preregistration.confirm(listed=keep(fleet, operator, *lines), actor=operator)
    run(job.uuid, kinds=KINDS)
    job.refresh_from_db()
    return job
