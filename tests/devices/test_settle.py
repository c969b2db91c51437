"""The settle service: one of several works, says how far it was behind, waits for the database."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from io import StringIO

import pytest
from django.db import connection
from pytest_django import Settings

from devices import connectivity, listening
from devices.leader import Leader
from devices.management.commands.settle import Command
from tests.factories import T0, make_device, make_fleet, seconds

LOCK = 4711
PATIENCE = 30.0  # seconds

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _direct(settings: Settings) -> None:
    name = connection.settings_dict["NAME"]
    before, _, options = settings.DATABASE_DIRECT_URL.partition("?")
    settings.DATABASE_DIRECT_URL = f"{before.rpartition('/')[0]}/{name}?{options}"


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
    assert connectivity.lag(T0 + seconds(75)) == timedelta(seconds=60)
    said, leader = StringIO(), Leader(LOCK)
    assert Command(stdout=said).look(leader)
    assert "2 changes recorded, " in said.getvalue()
    assert "behind" in said.getvalue()
    assert connectivity.lag() == timedelta()
    assert not Command(stdout=said).look(Leader(LOCK))
    leader.resign()


def test_what_no_pulse_made_certain_is_no_lag() -> None:
    device = make_device(make_fleet(poll_interval=10))
    connectivity.record_heartbeats([device.pk], T0)
    listening.pulse(T0)
    assert connectivity.lag(T0 + seconds(1000)) == timedelta()


def test_a_database_that_is_away_is_waited_for(settings: Settings) -> None:
    settings.DATABASE_DIRECT_URL = "postgresql://nobody@127.0.0.1:1/nothing"
    said = StringIO()
    assert not Command(stderr=said).look(Leader(LOCK))
    assert "waiting for the database" in said.getvalue()
