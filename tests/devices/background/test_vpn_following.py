"""The other devices of a fleet that began to use the VPN follow it in batches, whatever happens meanwhile."""

from __future__ import annotations

import pytest
from django.core.exceptions import PermissionDenied
from django.db import transaction

from devices import clock, connectivity, jobs
from devices.background import vpn_following
from devices.jobs.runner import Stopping, run
from devices.models import Device, Job, JobResult, StatusChange
from devices.operations.fleet_settings import change_fleet
from devices.worker.registry import KINDS
from fleets.models import Fleet, Role
from tests.factories import make_device, make_fleet, make_member

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vpn_following, "STEP", 2)


@pytest.fixture
def devices() -> list[Device]:
    fleet = make_fleet(vpn_enabled=None)
    return [make_device(fleet) for _ in range(6)]


@pytest.fixture
def job(devices: list[Device]) -> Job:
    at = clock.now()
    connectivity.record_heartbeats([device.pk for device in devices], at)
    connectivity.vpn_connected("vpn-1", [devices[0].uuid], at)
    return Job.objects.get()


def work(job: Job) -> Job:
    run(job.uuid, kinds=KINDS)
    job.refresh_from_db()
    return job


def following() -> int:
    return Device.objects.filter(vpn_enabled=True).count()


def test_all_follow_with_the_reason(devices: list[Device], job: Job) -> None:
    job = work(job)
    assert (job.state, job.done, job.words) == (Job.State.DONE, 5, "5 devices follow.")
    assert following() == 6
    changes = StatusChange.objects.filter(device_id=devices[1].pk).order_by("id")
    assert [change.after for change in changes] == ["post-provisioning", "online", "heartbeat-only"]
    assert changes[2].reason == {"slug": "vpn-began"}


def test_a_worker_that_dies_in_the_middle_is_continued(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    follow_next, steps = vpn_following.follow_next, iter([True, True, False])

    def dies(job: Job) -> list[Device]:
        found = follow_next(job)
        if not next(steps):
            raise Stopping  # what this step did is undone
        return found

    monkeypatch.setattr(vpn_following, "follow_next", dies)
    job = work(job)
    assert (job.state, job.done, following()) == (Job.State.WAITING, 4, 5)
    monkeypatch.setattr(vpn_following, "follow_next", follow_next)
    job = work(job)
    assert (job.state, job.done, following()) == (Job.State.DONE, 5, 6)
    assert JobResult.objects.filter(job=job).count() == 5


def test_a_person_who_turns_it_off_meanwhile_keeps_it(devices: list[Device], job: Job) -> None:
    with transaction.atomic():
        vpn_following.follow_next(job)
    change_fleet(fleet=devices[0].fleet, vpn_enabled=False, actor=None)
    job = work(job)
    assert (job.state, following()) == (Job.State.DONE, 0)


def test_one_that_sets_its_own_meanwhile_and_a_fleet_that_is_gone_are_left(
    devices: list[Device], job: Job
) -> None:
    Device.objects.filter(pk=devices[3].pk).update(vpn_setting=False)
    assert work(job).done == 4
    assert following() == 5
    Device.objects.all().delete()
    Fleet.objects.all().delete()
    Job.objects.update(state=Job.State.WAITING, finished_at=None)
    assert work(job).state == Job.State.DONE


def test_nobody_cancels_it(job: Job) -> None:
    owner = make_member(job.organization, Role.OWNER)
    with pytest.raises(PermissionDenied):
        jobs.cancel(job=job, actor=owner)
