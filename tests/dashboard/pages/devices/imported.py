"""Devices from files of tests."""

from __future__ import annotations

from dashboard.models import User
from devices.background import preregistration
from devices.models import DeviceList, Job, JobResult
from devices.operations.device_file import Line
from fleets.models import Fleet
from tests.factories import T0, make_device


def make_list(fleet: Fleet, user: User, lines: int = 1) -> DeviceList:
    said = [Line(number, name=f"kiosk-{number}") for number in range(2, 2 + lines)]
    return preregistration.keep(fleet=fleet, lines=said, file_name="kiosks.csv", actor=user)


def make_done(fleet: Fleet, user: User, *names: str) -> tuple[Job, DeviceList]:
    """A list whose job has made its devices."""
    listed = make_list(fleet, user, len(names))
    job = preregistration.confirm(listed=listed, actor=user)
    for name in names:
        device = make_device(fleet, name=name, is_active=False)
        result = {"device_id": device.pk, "device_uuid": device.uuid, "device_name": name}
        JobResult.objects.create(job=job, organization=fleet.organization, outcome="done", **result)
    Job.objects.update(state=Job.State.DONE, finished_at=T0)
    listed.refresh_from_db()
    return job, listed
