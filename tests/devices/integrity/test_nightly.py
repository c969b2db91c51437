"""The nightly look at what is recorded: what it finds is logged, and stands where administrators look."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from dashboard.models import User
from devices import connectivity
from devices.history import rollups
from devices.integrity import nightly as verifying
from devices.models import Device, FleetTally, Verification
from devices.worker import worker
from tests.factories import T0, make_device, make_fleet, seconds
from tests.worker import NIGHT, a_worker, wait_until

DAY = timedelta(days=1)


@pytest.fixture
def device() -> Device:
    """It came, and was lost."""
    device = make_device(make_fleet(poll_interval=10))
    connectivity.record_heartbeats([device.pk], T0)
    connectivity.settle(T0 + seconds(100))
    return device


@pytest.mark.django_db
def test_a_night_without_a_disagreement_is_kept_and_said_to_nobody(
    device: Device, caplog: pytest.LogCaptureFixture
) -> None:
    verifying.verify(T0 + seconds(200))
    assert [(each.found, each.lines) for each in Verification.objects.all()] == [(0, [])]
    assert caplog.records == []


@pytest.mark.django_db
def test_a_disagreement_is_an_error_and_stands_in_the_admin(
    device: Device, client: Client, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verifying, "NAMED", 1)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE devices_heartbeat SET due_at = lost_at")
        cursor.execute("UPDATE devices_fleetcount SET number = number + 1 WHERE status = 'offline'")
    found = verifying.verify(T0 + seconds(200))
    line = f"the heartbeat and its deadlines: {device.uuid} has lost, should have late"
    assert (found.found > 1, found.lines) == (True, [line])
    assert [(each.levelno, each.getMessage()) for each in caplog.records] == [
        (logging.ERROR, f"a record does not match the facts: {line}"),
        (logging.ERROR, f"and {found.found - 1} more: `manage.py verify_status` names all"),
    ]
    client.force_login(User.objects.create_superuser("root"))
    assert (
        f'<td class="field-found">{found.found}</td>'
        in client.get(reverse("admin:devices_verification_changelist")).content.decode()
    )
    page = client.get(reverse("admin:devices_verification_change", args=[found.pk])).content.decode()
    assert str(device.uuid) in page


@pytest.mark.django_db
def test_of_histories_and_tallies_a_night_compares_what_is_new(device: Device) -> None:
    """Once compared it changes no more; the command compares all there is."""
    for hours in range(0, 100, 7):
        connectivity.record_heartbeats([device.pk], T0 + timedelta(hours=hours))
    connectivity.settle(T0 + 5 * DAY)
    rollups.keep(T0 + 5 * DAY)

    def found_after(damage: str, at_hours: int) -> bool:
        with connection.cursor() as cursor:
            cursor.execute(damage, {"at": T0 + timedelta(hours=at_hours)})
        return verifying.verify(T0 + 5 * DAY).found > 0

    wrong = "UPDATE devices_fleettally SET counts[1] = 7 WHERE at = %(at)s AND fleet_id IS NOT NULL"
    late = "UPDATE devices_connectivityrecord SET before = 'late' WHERE after = 'recent' AND at = %(at)s"
    assert not found_after(wrong, 24)
    assert not found_after(late, 49)
    assert found_after(late, 91)
    (line,) = Verification.objects.latest("pk").lines
    assert line.startswith("the records of a link one after another")
    assert found_after(wrong, 110)
    assert FleetTally.objects.filter(at__gt=T0 + timedelta(hours=110)).exists()


@pytest.mark.django_db
def test_nights_are_kept_for_a_while(device: Device) -> None:
    for days in (0, 1, 91):
        verifying.verify(T0 + days * DAY)
    assert [each.began_at for each in Verification.objects.order_by("began_at")] == [T0 + DAY, T0 + 91 * DAY]


@pytest.mark.django_db(transaction=True)
def test_the_worker_does_it_every_night(device: Device) -> None:
    (nightly,) = worker.an_app().periodic_registry.periodic_tasks.values()
    assert (nightly.task.name, nightly.cron) == (worker.VERIFY_JOB, worker.NIGHTLY)
    with a_worker("-c", NIGHT):
        wait_until(Verification.objects.exists)
    assert {each.found for each in Verification.objects.all()} == {0}  # a minute later is another night
