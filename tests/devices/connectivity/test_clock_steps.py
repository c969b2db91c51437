"""The database's clock is set: forward or back, for good or for a moment (domain.md, Times)."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from io import StringIO

import pytest
from django.db import connection

from dashboard.management.commands.settle import Command
from devices import clock, connectivity
from devices.clock import steps
from devices.clock.own import OwnClock
from devices.connectivity import moving, outages
from devices.history import retention
from devices.integrity.checks import disagreements
from devices.models import (
    ConnectivityRecord,
    Device,
    Heartbeat,
    Listening,
    Outage,
    StatusChange,
    VpnServer,
)
from devices.operations import lifecycle
from devices.rules.vocabulary import Status
from fleets.postgres import clock as database
from tests.devices.connectivity.clock_set import DAY, Process, at, dated_ahead, polled, status
from tests.factories import T0, make_device, make_fleet, seconds

pytestmark = pytest.mark.django_db


def announced_at(moment: float) -> tuple[str, datetime | None, float]:
    """Which way the pages say that the clock was set, when, and by how many seconds."""
    announced = clock.moment(at(moment)).announced
    assert announced is not None
    assert announced.step is not None
    return announced.direction, announced.end, announced.step.total_seconds()


# A clock that is a day ahead for 20 s


@pytest.fixture
def life() -> tuple[Device, Device]:
    """A device that polls on and one that died, under a clock that was a day ahead from 2 s to 22 s."""
    lives, dies = polled(0), polled(0)
    connectivity.vpn_alive("vpn-1", at=at(0))
    connectivity.vpn_connected("vpn-1", [dies.uuid], at(0))
    ingest = Process()
    ingest.leave_sign(0)
    for passed in (4, 6, 8, 10, 12, 14, 16, 18, 20):
        ingest.leave_sign(passed, DAY)
    connectivity.record_heartbeats([lives.pk], at(DAY + 11))
    connectivity.vpn_alive("vpn-1", at=at(DAY + 12))
    ingest.leave_sign(22, DAY)
    ingest.leave_sign(24)
    return lives, dies


def test_nothing_is_dated_ahead_of_a_clock_that_is_right_again(life: tuple[Device, Device]) -> None:
    assert dated_ahead(24) == []
    assert list(disagreements(at(24))) == []
    assert Listening.objects.get().pulse_at == at(24)
    outage = Outage.objects.get()
    assert (outage.began_at, outage.ended_at) == (at(0), at(24))
    assert clock.moment(at(24)).heard == at(24)
    windows = Heartbeat.objects.order_by("pk").values_list("last_poll_at", "late_at", "lost_at")
    assert list(windows) == [(at(24), at(39), at(54)), (at(0), at(39), at(54))]
    server = VpnServer.objects.get()
    assert (server.last_sign_at, server.lease_until, server.due_at) == (at(24), at(84), at(84))


def test_no_device_goes_offline_by_it_and_one_that_died_does_when_its_window_is_over(
    life: tuple[Device, Device],
) -> None:
    lives, dies = life
    connectivity.vpn_disconnected("vpn-1", [dies.uuid], at(25))
    connectivity.record_heartbeats([lives.pk], at(30))
    assert Heartbeat.objects.get(pk=lives.pk).last_poll_at == at(30)
    for moment in range(24, 54, 2):
        outages.record_liveness(at(moment))
        connectivity.settle(at(moment))
        assert {status(device, moment) for device in life} == {Status.HEARTBEAT_ONLY} or moment < 25
    outages.record_liveness(at(54))
    assert (status(lives, 54), status(dies, 54)) == (Status.HEARTBEAT_ONLY, Status.OFFLINE)
    assert not StatusChange.objects.filter(after="offline").exists()
    connectivity.settle(at(54))
    assert StatusChange.objects.get(after="offline").device_id == dies.pk


def test_it_is_said_in_the_log_and_by_a_moment(caplog: pytest.LogCaptureFixture) -> None:
    ingest = Process()
    for passed, clock_ahead in [(0, 0), (2, DAY), (4, DAY)]:
        ingest.leave_sign(passed, clock_ahead)
    assert announced_at(DAY + 4)[:2] == ("forward", at(DAY + 2))
    caplog.clear()
    ingest.leave_sign(6)
    *told, step = announced_at(7)
    assert told == ["back", at(6)]
    assert step / DAY == pytest.approx(-1, abs=0.001)
    assert [each.getMessage() for each in caplog.records] == [
        f"the database's clock was set back by {seconds(-step)}, to {at(6)}",
        "no record is dated in the future any longer",
    ]
    assert {each.levelno for each in caplog.records} == {logging.WARNING}


def test_what_was_recorded_ahead_keeps_its_order_and_its_months() -> None:
    """Of devices that are gone by then, too."""
    retention.make_ahead(T0)
    device, gone = polled(0), polled(0)
    far = 400 * DAY  # in no month that has been made
    outages.record_liveness(at(0))
    outages.record_liveness(at(far))
    connectivity.record_heartbeats([device.pk, gone.pk], at(far + 1))
    for moment in range(far, far + 40, 2):
        outages.record_liveness(at(moment))
    connectivity.settle(at(far + 38))
    pk = gone.pk
    lifecycle.delete(device=gone, actor=None, at=at(far + 39))
    outages.record_liveness(at(50))
    assert dated_ahead(50) == []
    assert list(disagreements(at(50))) == []
    links = ConnectivityRecord.objects.filter(at=at(50)).order_by("id")
    changes = StatusChange.objects.filter(at=at(50)).order_by("id")
    for each in (device.pk, pk):
        assert [row.after for row in links if row.device_id == each] == ["late", "lost"]
    assert [row.after for row in changes if row.device_id == device.pk] == ["offline"]
    assert [row.after for row in changes if row.device_id == pk] == ["offline", None]
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM devices_statuschange_default WHERE at > %s", [at(50)])
        assert cursor.fetchone() == (0,)


def test_a_sign_that_did_not_see_it_is_no_excuse(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock was ahead between two liveness signs, while a poll came: this process has read it."""
    device = polled()
    monkeypatch.setattr(database, "NEWEST", database.Newest())
    outages.record_liveness()
    now = clock.now()
    database.NEWEST.at = now + timedelta(days=1)
    connectivity.record_heartbeats([device.pk], now + timedelta(days=1))
    outages.record_liveness()
    assert Heartbeat.objects.get().last_poll_at < now + timedelta(hours=1)
    assert database.NEWEST.at < now + timedelta(hours=1)
    stepped = Listening.objects.get().stepped_at
    outages.record_liveness()
    assert Listening.objects.get().stepped_at == stepped


def test_what_a_process_has_read_is_no_news_once_another_has_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "NEWEST", database.Newest())
    one, two = OwnClock(), OwnClock()
    for own in (one, two):
        outages.record_liveness(own=own)
    database.NEWEST.at = clock.now() + timedelta(days=1)
    outages.record_liveness(own=one)
    noticed = Listening.objects.get().stepped_at
    assert noticed is not None
    database.NEWEST.at = noticed + timedelta(days=1)  # of the other process, which has one of its own
    outages.record_liveness(own=two)
    assert Listening.objects.get().stepped_at == noticed
    database.NEWEST.at = noticed + timedelta(days=1)  # it was ahead once more
    outages.record_liveness(own=two)
    assert Listening.objects.get().stepped_at != noticed


def test_what_people_did_ahead_while_no_ingest_ran_comes_to_the_present_as_settle_saw_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(database, "NEWEST", database.Newest())
    outages.record_liveness(own=OwnClock())
    tomorrow = clock.now() + timedelta(days=1)
    make_device(make_fleet(), created_at=tomorrow)
    database.NEWEST.at = tomorrow  # which settle has read
    settle = Command(stdout=StringIO())
    settle.settle_once()
    noticed = Listening.objects.get()
    assert noticed.stepped_by is not None
    assert round(noticed.stepped_by / timedelta(days=1)) == -1
    settle.settle_once()
    outages.record_liveness(own=OwnClock())  # of a process that has just started
    ledger = Listening.objects.get()
    assert (ledger.stepped_at, ledger.ahead) == (noticed.stepped_at, False)
    assert list(disagreements()) == []


def test_an_outage_that_was_being_closed_ahead_does_not_end_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(moving, "PORTION", 1)
    devices = [polled(0) for _ in range(3)]
    outages.record_liveness(at(0))
    assert not outages.beat(at(DAY))  # one of them moved, when the clock was set right
    outages.record_liveness(at(5))
    assert not Outage.objects.exists()
    assert dated_ahead(5) == []
    assert {status(device, 5) for device in devices} == {Status.HEARTBEAT_ONLY}


def test_it_is_brought_to_the_present_in_portions_while_signs_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(steps, "PORTION", 2)
    devices = [polled(0) for _ in range(5)]
    outages.record_liveness(at(0))
    connectivity.record_heartbeats([device.pk for device in devices], at(DAY))
    outages.record_liveness(at(DAY))
    for moment in (10, 11, 12):
        assert not outages.beat(at(moment))
        assert Listening.objects.get().pulse_at == at(moment)
        assert (dated_ahead(moment) == []) == (moment == 12)
    assert outages.beat(at(13))  # and what is the site's
    assert dated_ahead(13) == []
    assert list(Heartbeat.objects.order_by("pk").values_list("last_poll_at", flat=True)) == [
        at(moment) for moment in (10, 10, 11, 11, 12)
    ]
