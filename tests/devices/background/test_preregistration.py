"""Many devices from a list: made by a job, all or none; their keys handed out until somebody has them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, connections, transaction
from django.test import Client
from django.urls import reverse

from dashboard.models import User
from devices.background import preregistration
from devices.jobs.runner import run
from devices.models import ApiKey, Device, DeviceList, Job, JobResult, StatusChange
from devices.operations import key_handout, lifecycle
from devices.operations.csv_cells import cell
from devices.operations.device_file import Fault, Line
from devices.worker.registry import KINDS
from fleets.models import AuditEntry, Fleet, FleetType, Role
from tests.devices.background.made import keep, make
from tests.factories import T0, make_device, make_fleet, make_member, make_organization, make_uuid, seconds
from tests.pages import fetch, rows_of, text_of
from tests.worker import IMPATIENT, PATIENCE, a_worker, start_worker, wait_until

pytestmark = pytest.mark.django_db(transaction=True)

UUID = "4c5bd1a0f3de4d0e9f2b6a7c8d9e0f11"


@pytest.fixture
def fleet() -> Fleet:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")
    return make_fleet(device_type="rpi", vpn_enabled=False)


@pytest.fixture
def operator(fleet: Fleet) -> User:
    return make_member(fleet.organization, Role.OPERATOR, "olga")


def test_devices_are_made_as_the_lines_and_the_fleet_say(fleet: Fleet, operator: User) -> None:
    full = Line(2, UUID, "pump-1", "x86", {"site": "north"}, "Behind the door")
    job = make(fleet, operator, full, Line(3))
    assert (job.state, job.done, job.total, job.words) == ("done", 2, 2, "2 devices are preregistered.")
    first, second = Device.objects.order_by("pk")
    facts = (first.uuid, first.name, first.device_type, first.tags, first.notes)
    assert facts == (UUID, "pump-1", "x86", {"site": "north"}, "Behind the door")
    assert (second.name, second.device_type, second.tags, len(second.uuid)) == ("", "rpi", {}, 32)
    for device in (first, second):
        assert (device.fleet, device.organization) == (fleet, fleet.organization)
        assert (device.recorded_status, device.vpn_enabled) == ("inactive", False)
    assert (
        list(StatusChange.objects.values_list("before", "after", "reason"))
        == [(None, "inactive", {"slug": "preregistered", "by": "olga"})] * 2
    )
    assert list(JobResult.objects.values_list("device_uuid", "outcome")) == [
        (first.uuid, "done"),
        (second.uuid, "done"),
    ]
    assert DeviceList.objects.get().lines == []
    assert not ApiKey.objects.exists()


def test_the_audit_log_has_one_line_for_all(fleet: Fleet, operator: User) -> None:
    job = make(fleet, operator, Line(2), Line(3))
    entry = AuditEntry.objects.get(job=None)
    assert (entry.action, entry.actor_name, entry.subject_id) == ("devices-preregistered", "olga", fleet.slug)
    assert entry.after == {"devices": 2, "file": "pumps.csv", "job": str(job.uuid)}
    behind = AuditEntry.objects.filter(job=job.uuid, action="device-preregistered", actor_name="olga")
    devices = Device.objects.order_by("pk").values_list("uuid", flat=True)
    assert list(behind.order_by("pk").values_list("subject_id", flat=True)) == list(devices)


@pytest.mark.thorough
def test_ten_thousand_devices(fleet: Fleet, operator: User) -> None:
    lines = [Line(number, make_uuid(), f"pump-{number}") for number in range(2, 10_002)]
    job = make(fleet, operator, *lines)
    assert (job.state, job.done) == ("done", 10_000)
    made = Device.objects.values_list("uuid", "name").order_by("pk")
    assert list(made) == [(line.uuid, line.name) for line in lines]
    keyed = key_handout.hand_out(listed=DeviceList.objects.get(), actor=operator)
    assert len({each.key for each in keyed}) == 10_000


def test_confirming_twice_makes_one_job(fleet: Fleet, operator: User) -> None:
    listed = keep(fleet, operator, Line(2))
    first = preregistration.confirm(listed=listed, actor=operator)
    assert preregistration.confirm(listed=listed, actor=operator) == first
    assert Job.objects.count() == 1


NEVER = {"is_active": False, "activated_at": None, "provisioned_at": None}  # preregistered, without contact
NASTY = ("=1+1", "'=1+1", "x;-y", "x|'@y", 'pump, the "big" one', "Pümpe 漢")


def test_an_export_can_be_imported_elsewhere_and_exported_again_alike(
    fleet: Fleet, operator: User, client: Client
) -> None:
    for name in NASTY:
        tags = {"site": name, "spare": ""}
        rows = {
            "name": name,
            "notes": f"{name}\n{name}",
            "tags": tags,
            "device_type": "rpi",
            "poll_interval": 300,
        }
        make_device(fleet, **NEVER, **rows)
    make_device(fleet, name="", **NEVER)
    client.force_login(operator)
    exported = fetch(client, "/devices/devices.csv?sort=name")
    for device in Device.objects.all():
        lifecycle.delete(device=device, actor=None)
    elsewhere = make_fleet(vpn_enabled=fleet.vpn_enabled)
    client.force_login(make_member(elsewhere.organization, Role.OPERATOR))
    path = reverse("devices:import", args=[elsewhere.slug])
    preview = client.post(path, {"file": SimpleUploadedFile("devices.csv", exported.encode())}, follow=True)
    assert "These columns of the export are not imported: organization, fleet, " in text_of(preview)
    client.post(preview.redirect_chain[-1][0])
    run(Job.objects.get().uuid, kinds=KINDS)
    others = {"organization", "fleet", "fleet_name", "status_since", "added"}
    was, became = (
        [{column: cell for column, cell in row.items() if column not in others} for row in rows_of(text)]
        for text in (exported, fetch(client, "/devices/devices.csv?sort=name"))
    )
    assert sorted(row["name"] for row in was) == sorted(["", *map(cell, NASTY)])
    assert became == was


def test_a_uuid_taken_meanwhile_is_named_and_nothing_is_made(fleet: Fleet, operator: User) -> None:
    listed = keep(fleet, operator, Line(2, name="pump-1"), Line(3, UUID))
    lifecycle.register(fleet=make_fleet(), uuid=UUID)
    job = preregistration.confirm(listed=listed, actor=operator)
    run(job.uuid, kinds=KINDS)
    job.refresh_from_db()
    words = "Line 3, column uuid: Another device on this site already has 4c5bd1a."
    assert (job.state, job.words, job.done) == ("failed", words, 0)
    assert list(Device.objects.values_list("uuid", flat=True)) == [UUID]
    assert not JobResult.objects.exists()


def test_many_taken_uuids_are_told_by_number() -> None:
    faults = [Fault(number, "uuid", "It is taken.") for number in range(2, 7)]
    assert str(preregistration.Taken(faults)).endswith("Line 4, column uuid: It is taken. And 2 more.")


def test_a_fleet_deleted_meanwhile_refuses_the_job(fleet: Fleet, operator: User) -> None:
    job = preregistration.confirm(listed=keep(fleet, operator, Line(2)), actor=operator)
    fleet.delete()
    run(job.uuid, kinds=KINDS)
    job.refresh_from_db()
    assert (job.state, job.words) == ("failed", "Its fleet was deleted meanwhile.")


def test_inactive_devices_take_no_place_but_freeze_with_their_fleet() -> None:
    organization = make_organization(allowance=0)
    operator = make_member(organization)
    make(make_fleet(organization), operator, Line(2))
    assert Device.objects.get().frozen_reason == ""
    make(make_fleet(organization, type=FleetType.PAID), operator, Line(2))
    assert Device.objects.latest("pk").frozen_reason == "fleet-type"


def test_observers_and_strangers_may_not(fleet: Fleet, operator: User) -> None:
    listed = keep(fleet, operator, Line(2))
    for actor in (
        make_member(fleet.organization, Role.OBSERVER),
        make_member(make_organization(), Role.OWNER),
    ):
        with pytest.raises(PermissionDenied):
            keep(fleet, actor, Line(2))
        with pytest.raises(PermissionDenied):
            preregistration.confirm(listed=listed, actor=actor)
        with pytest.raises(PermissionDenied):
            key_handout.hand_out(listed=listed, actor=actor)
        with pytest.raises(PermissionDenied):
            key_handout.confirm(listed=listed, actor=actor)


def test_lists_that_nobody_confirms_are_forgotten_after_a_day(fleet: Fleet, operator: User) -> None:
    keep(fleet, operator, Line(2))
    make(fleet, operator, Line(2))
    assert preregistration.forget_unconfirmed(T0 + preregistration.KEPT - seconds(1)) == 0
    assert preregistration.forget_unconfirmed(T0 + preregistration.KEPT) == 1
    assert DeviceList.objects.get().job is not None


# A worker that is killed

WORK = f"{IMPATIENT}asyncio.run(worker.work())"


@contextmanager
def about_to_take(uuid: str) -> Iterator[None]:
    """Another transaction has a device of this UUID, and in the end takes it back."""
    there, over = threading.Event(), threading.Event()
    fleet = make_fleet()

    def run() -> None:
        with transaction.atomic():
            make_device(fleet, uuid=uuid)
            there.set()
            over.wait(PATIENCE)
            transaction.set_rollback(True)
        connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    assert there.wait(PATIENCE)
    try:
        yield
    finally:
        over.set()
        thread.join(PATIENCE)


def somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND pid IN"
            " (SELECT pid FROM pg_stat_activity WHERE datname = current_database()))"
        )
        return bool(cursor.fetchone()[0])


@pytest.mark.thorough
def test_an_import_whose_worker_is_killed_leaves_nothing_behind_and_is_done_by_the_next(
    fleet: Fleet, operator: User
) -> None:
    """Killed in the middle, where it waits for what becomes of a UUID that another transaction took."""
    lines = [Line(number, make_uuid(), f"pump-{number}") for number in range(2, 1_502)]
    job = preregistration.confirm(listed=keep(fleet, operator, *lines), actor=operator)
    with about_to_take(lines[-1].uuid):
        killed = start_worker("-c", WORK)
        wait_until(somebody_waits)
        killed.kill()
        killed.wait(PATIENCE)
        assert not Device.objects.exists()
        job.refresh_from_db()
        assert job.state == "running"
    with a_worker("-c", WORK):
        wait_until(lambda: Job.objects.get().ended)
    job.refresh_from_db()
    assert (job.state, job.done, job.attempt) == ("done", 1_500, 2)
    assert Device.objects.count() == 1_500
