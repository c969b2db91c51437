"""The command that settles: says how far it was behind, waits for the database, clears daily."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.test import Client
from pytest_django import Settings

from dashboard.management.commands.settle import Command, pause
from devices import clock, connectivity
from devices.background import preregistration
from devices.connectivity import deadlines
from devices.connectivity.deadlines import Backlog
from devices.models import Device, DeviceList, SelectedDevice, Selection
from devices.operations import bulk_actions
from devices.operations.device_file import Line
from fleets.postgres.leader import Leader
from tests.factories import T0, make_device, make_fleet, make_member, seconds

LOCK = 4711

pytestmark = pytest.mark.django_db


def test_a_look_records_what_passed_and_says_how_far_behind_it_was() -> None:
    device = make_device(make_fleet(poll_interval=10))
    connectivity.record_heartbeats([device.pk], T0)
    assert deadlines.backlog(clock.moment(T0 + seconds(75))).behind == timedelta(seconds=60)
    said, leader = StringIO(), Leader(LOCK)
    assert Command(stdout=said).run_if_leading(leader)
    assert "2 changes recorded, " in said.getvalue()
    assert "behind" in said.getvalue()
    assert deadlines.backlog(clock.moment()).behind is None
    assert not Command(stdout=said).run_if_leading(Leader(LOCK))
    leader.resign()


@pytest.mark.parametrize(
    ("behind", "next_due", "expected"),
    [
        (None, None, 10.0),
        (None, 3600.0, 10.0),
        (None, 2.5, 2.5),
        (None, 0.1, 1.0),  # a liveness sign must come before it is recorded
        (None, -1.0, 1.0),
        (0.0, 3600.0, 1.0),
    ],
)
def test_the_next_look_is_when_a_deadline_passes_but_within_ten_seconds(
    behind: float | None, next_due: float | None, expected: float
) -> None:
    backlog = Backlog(
        None if behind is None else seconds(behind), None if next_due is None else T0 + seconds(next_due)
    )
    assert pause(backlog, clock.listened(T0)) == expected


def test_a_database_that_is_away_is_waited_for(settings: Settings) -> None:
    settings.DATABASE_DIRECT_URL = "postgresql://nobody@127.0.0.1:1/nothing"
    said = StringIO()
    assert not Command(stderr=said).run_if_leading(Leader(LOCK))
    assert "waiting for the database" in said.getvalue()


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
        "listed": None,
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
