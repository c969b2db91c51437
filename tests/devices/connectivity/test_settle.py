"""The settle service: one of several works, says how far it was behind, waits for the database."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db import connection, transaction
from django.test import Client
from pytest_django import Settings

from dashboard.management.commands.settle import Command
from devices import clock, connectivity
from devices.background import preregistration
from devices.connectivity import deadlines, outages
from devices.integrity import checks as integrity
from devices.models import ConnectivityRecord, Device, DeviceList, SelectedDevice, Selection
from devices.operations import bulk_actions
from devices.operations.device_file import Line
from devices.transitions import write as transitions
from fleets.postgres.leader import Leader
from tests.factories import T0, make_device, make_fleet, make_member, seconds

LOCK = 4711
PATIENCE = 30.0  # seconds

pytestmark = pytest.mark.django_db


def until(comes: Callable[[], bool]) -> None:
    """The server notices the end of a connection in its own time."""
    began = time.monotonic()
    while not comes():
        assert time.monotonic() - began < PATIENCE


def test_of_several_one_leads_and_the_next_when_it_ends() -> None:
    first, second = Leader(LOCK), Leader(LOCK)
    assert (first.leads(), second.leads(), first.leads()) == (True, False, True)
    first.resign()
    assert (second.leads(), first.leads()) == (True, False)
    second.resign()


def test_who_lost_its_connection_leads_no_more() -> None:
    first, second = Leader(LOCK), Leader(LOCK)
    assert first.leads()
    assert first._connection
    first._connection.close()
    until(second.leads)
    assert not first.leads()
    second.resign()


def test_a_look_records_what_passed_and_says_how_far_behind_it_was() -> None:
    device = make_device(make_fleet(poll_interval=10))
    connectivity.record_heartbeats([device.pk], T0)
    assert deadlines.lag(T0 + seconds(75)) == timedelta(seconds=60)
    said, leader = StringIO(), Leader(LOCK)
    assert Command(stdout=said).look(leader)
    assert "2 changes recorded, " in said.getvalue()
    assert "behind" in said.getvalue()
    assert deadlines.lag() == timedelta()
    assert not Command(stdout=said).look(Leader(LOCK))
    leader.resign()


def test_what_no_pulse_made_certain_is_no_lag() -> None:
    device = make_device(make_fleet(poll_interval=10))
    connectivity.record_heartbeats([device.pk], T0)
    outages.pulse(T0)
    assert deadlines.lag(T0 + seconds(1000)) == timedelta()


def test_a_database_that_is_away_is_waited_for(settings: Settings) -> None:
    settings.DATABASE_DIRECT_URL = "postgresql://nobody@127.0.0.1:1/nothing"
    said = StringIO()
    assert not Command(stderr=said).look(Leader(LOCK))
    assert "waiting for the database" in said.getvalue()


# A backlog


def polled(number: int) -> list[int]:
    """So many devices that polled at T0 and are late and lost 45 s later."""
    fleet = make_fleet(poll_interval=10)
    ids = [make_device(fleet).pk for _ in range(number)]
    connectivity.record_heartbeats(ids, T0)
    return ids


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, list[int]]]:
    """What is settled together, two devices at most, with the thread that does it."""
    seen: list[tuple[int, list[int]]] = []

    def spied(ids: list[int], at: Any) -> int:
        seen.append((threading.get_ident(), ids))
        return transitions.settle_devices(ids, at)

    monkeypatch.setattr(deadlines, "SETTLE_BATCH", 2)
    monkeypatch.setattr(deadlines, "settle_devices", spied)
    return seen


@pytest.mark.django_db(transaction=True)
def test_a_backlog_is_settled_on_two_connections_each_device_once(
    batches: list[tuple[int, list[int]]],
) -> None:
    ids = polled(9)
    assert connectivity.settle(T0 + seconds(100)) == 2 * len(ids)
    assert sorted(device for _, batch in batches for device in batch) == ids
    assert len({thread for thread, _ in batches}) == 2
    assert not list(integrity.disagreements(T0 + seconds(100)))
    assert connectivity.settle(T0 + seconds(100)) == 0


@pytest.mark.django_db(transaction=True)
def test_what_a_transaction_settles_is_its_own(batches: list[tuple[int, list[int]]]) -> None:
    polled(5)
    before = ConnectivityRecord.objects.count()
    with transaction.atomic():
        assert connectivity.settle(T0 + seconds(100)) == 10
        transaction.set_rollback(True)
    assert {thread for thread, _ in batches} == {threading.get_ident()}
    assert ConnectivityRecord.objects.count() == before


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("number", [0, 2])
def test_a_batch_that_fails_is_heard_of_and_settled_at_the_next_look(
    number: int, batches: list[tuple[int, list[int]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = polled(8)

    def failing(some: list[int], at: Any) -> int:
        if ids[number] in some:
            raise RuntimeError("it failed")
        return transitions.settle_devices(some, at)

    with monkeypatch.context() as patch:
        patch.setattr(deadlines, "settle_devices", failing)
        with pytest.raises(RuntimeError, match="it failed"):
            connectivity.settle(T0 + seconds(100))
    connectivity.settle(T0 + seconds(100))
    assert ConnectivityRecord.objects.filter(after="lost").count() == len(ids)
    assert not list(integrity.disagreements(T0 + seconds(100)))


def test_for_a_batch_the_rest_of_a_backlog_is_not_read() -> None:
    ids = polled(400)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE devices_heartbeat, devices_device")  # hardly anything is due then
        cursor.execute(f"EXPLAIN {transitions.PASSED}", {"ids": ids[:40], "at": T0 + seconds(14)})
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "heartbeat_pkey" in plan
    assert "heartbeat_due" not in plan


def test_what_has_expired_is_cleared_daily(client: Client) -> None:
    at = clock.now()
    device = make_device()
    ada = make_member(device.organization, username="ada", password="tangled-otter-41")
    client.post("/sign-in/", {"login": "ada", "password": "tangled-otter-41"})
    mine = client.session.session_key
    for key, expires in (("over", at - seconds(1)), ("open", at + timedelta(days=1))):
        Session.objects.create(session_key=key, session_data="x", expire_date=expires)
        UserSession.objects.create(
            user=ada, session_key=key, ip="192.0.2.7", created_at=at - timedelta(days=14)
        )
    before = at - timedelta(days=1, seconds=1)
    preregistration.keep(fleet=device.fleet, lines=[Line(2)], file_name="many.csv", actor=ada, at=before)
    everything: dict[str, Any] = {
        "organization": device.organization,
        "devices": Device.objects.all(),
        "of": None,
    }
    bulk_actions.select(**everything, at=before)
    kept = [bulk_actions.select(**everything, at=at)]
    Command(stdout=StringIO()).settle_once()
    sessions = {"open", mine}
    assert set(Session.objects.values_list("session_key", flat=True)) == sessions
    assert set(UserSession.objects.values_list("session_key", flat=True)) == sessions
    assert not DeviceList.objects.exists()
    assert list(Selection.objects.all()) == kept
    assert SelectedDevice.objects.count() == 1
