"""The database's clock is set: forward or back, for good or for a moment (domain.md, Times)."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import DateTimeField

from dashboard.management.commands.settle import Command
from devices import clock, connectivity, keys
from devices.clock import steps
from devices.clock.own import OwnClock
from devices.clock.trusted import trusted
from devices.connectivity import outages
from devices.history import retention, rollups
from devices.integrity.checks import AHEAD, disagreements
from devices.keys import usage as key_usage
from devices.models import (
    ApiKey,
    ConnectivityRecord,
    Device,
    DeviceList,
    FleetTally,
    FormerKey,
    Heartbeat,
    Listening,
    Outage,
    StatusChange,
    Verification,
    VpnServer,
)
from devices.operations import lifecycle
from devices.rules.vocabulary import Status
from devices.status.reading import with_status
from fleets.postgres import clock as database
from tests.factories import T0, make_device, make_fleet, seconds

pytestmark = pytest.mark.django_db

DAY = 86400


class Process:
    """A process of the ingest, whose own clock counts the seconds that really passed since T0."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.own = OwnClock(lambda: self.passed)

    def pulse(self, passed: float, clock_ahead: float = 0) -> None:
        """After so many seconds, with the database's clock so far ahead."""
        self.passed = passed
        outages.record_liveness(at(passed + clock_ahead), self.own)


def at(number: float) -> datetime:
    return T0 + seconds(number)


def polled(*moments: float, interval: int = 10) -> Device:
    device = make_device(make_fleet(poll_interval=interval))
    for moment in moments:
        connectivity.record_heartbeats([device.pk], at(moment))
    return device


def status(device: Device, moment: float) -> str:
    return str(with_status(Device.objects.filter(pk=device.pk), at(moment)).get().status)


def announced_at(moment: float) -> tuple[str, datetime | None, float]:
    """Which way the pages say that the clock was set, when, and by how many seconds."""
    announced = clock.moment(at(moment)).announced
    assert announced is not None
    assert announced.step is not None
    return announced.direction, announced.end, announced.step.total_seconds()


def dated_ahead(moment: float) -> list[str]:
    return [str(each) for each in disagreements(at(moment)) if each.what == AHEAD]


# A clock that is a day ahead for 20 s


@pytest.fixture
def life() -> tuple[Device, Device]:
    """A device that polls on and one that died, under a clock that was a day ahead from 2 s to 22 s."""
    lives, dies = polled(0), polled(0)
    connectivity.vpn_alive("vpn-1", at=at(0))
    connectivity.vpn_connected("vpn-1", [dies.uuid], at(0))
    ingest = Process()
    ingest.pulse(0)
    for passed in (4, 6, 8, 10, 12, 14, 16, 18, 20):
        ingest.pulse(passed, DAY)
    connectivity.record_heartbeats([lives.pk], at(DAY + 11))
    connectivity.vpn_alive("vpn-1", at=at(DAY + 12))
    ingest.pulse(22, DAY)
    ingest.pulse(24)
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
        ingest.pulse(passed, clock_ahead)
    assert announced_at(DAY + 4)[:2] == ("forward", at(DAY + 2))
    caplog.clear()
    ingest.pulse(6)
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


def test_a_pulse_that_did_not_see_it_is_no_excuse(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock was ahead between two pulses, while a poll came: this process has read it."""
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
    monkeypatch.setattr(outages, "PORTION", 1)
    devices = [polled(0) for _ in range(3)]
    outages.record_liveness(at(0))
    assert not outages.beat(at(DAY))  # one of them moved, when the clock was set right
    outages.record_liveness(at(5))
    assert not Outage.objects.exists()
    assert dated_ahead(5) == []
    assert {status(device, 5) for device in devices} == {Status.HEARTBEAT_ONLY}


def test_it_is_brought_to_the_present_in_portions_while_the_pulse_goes_on(
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


# A clock that is set back for good, and forward


def test_of_a_clock_that_is_set_back_ten_minutes_no_poll_and_no_pulse_waits_for_them() -> None:
    polls, dies = polled(600), polled(600)
    ingest = Process()
    ingest.pulse(602)
    ingest.pulse(604, -600)
    connectivity.record_heartbeats([polls.pk], at(10))
    assert Heartbeat.objects.get(pk=polls.pk).late_at == at(25)
    ingest.pulse(606, -600)
    assert Listening.objects.get().pulse_at == at(6)
    assert not Outage.objects.exists()
    for moment in range(8, 36, 2):
        outages.record_liveness(at(moment))
    assert (status(polls, 34), status(dies, 33.9), status(dies, 34)) == (
        Status.HEARTBEAT_ONLY,
        Status.HEARTBEAT_ONLY,
        Status.OFFLINE,
    )


@pytest.mark.parametrize("back", [0.1, 2])
def test_a_clock_that_is_set_back_by_no_more_than_a_pulse_is_waited_for(back: float) -> None:
    ingest = Process()
    ingest.pulse(100)
    ingest.pulse(100, -back)
    assert Listening.objects.get().stepped_at is None
    assert Listening.objects.get().pulse_at == at(100)


@pytest.mark.parametrize("by", [3, 10, 3600, 400 * DAY])
def test_a_clock_that_is_set_forward_makes_nobody_late(by: float) -> None:
    device = polled(0)
    connectivity.vpn_alive("vpn-1", at=at(0))
    ingest = Process()
    ingest.pulse(0)
    ingest.pulse(2, by)
    assert Heartbeat.objects.get().late_at == at(by + 2 + 15)
    assert VpnServer.objects.get().due_at == at(by + 2 + 60)
    assert status(device, by + 2) == Status.HEARTBEAT_ONLY
    outage, ledger = Outage.objects.get(), Listening.objects.get()
    assert (outage.began_at, outage.ended_at) == (at(0), at(by + 2))
    assert ledger.stepped_at == at(by + 2)
    assert ledger.stepped_by is not None
    assert ledger.stepped_by.total_seconds() == pytest.approx(by, abs=0.1)


def test_several_processes_see_a_step_once() -> None:
    polled(0)
    one, two, new = Process(), Process(), Process()
    one.pulse(0)
    two.pulse(1)
    for process, passed in [(one, 2), (two, 3), (one, 4), (new, 4.5), (two, 5)]:
        process.pulse(passed, 5)
    outage = Outage.objects.get()
    assert (outage.began_at, outage.ended_at) == (at(1), at(7))


def test_a_machine_that_was_suspended_is_an_outage_and_no_step() -> None:
    device = polled(0)
    ingest = Process()
    ingest.pulse(0)
    ingest.pulse(3600)
    assert Outage.objects.get().ended_at == at(3600)
    assert Listening.objects.get().stepped_at is None
    assert status(device, 3600) == Status.HEARTBEAT_ONLY


def test_an_answer_of_the_database_that_came_late_is_no_step() -> None:
    """What passed is taken for as long as it can have been."""
    reads = iter([0.0, 0.0, 2.0, 30.0])
    own = OwnClock(lambda: next(reads))
    own.look(at(0))
    own.keep()
    next(reads)
    assert own.look(at(9)).beyond < timedelta()


# What else goes by the clock


def test_a_lease_that_ended_ahead_stays_ended_and_the_next_sign_counts() -> None:
    device = make_device()
    connectivity.vpn_alive("vpn-1", at=at(0))
    connectivity.vpn_connected("vpn-1", [device.uuid], at(0))
    for moment in range(0, 602, 2):
        outages.record_liveness(at(moment))
    connectivity.settle(at(600))
    outages.record_liveness(at(30))
    assert list(disagreements(at(30))) == []
    assert not with_status(Device.objects.all(), at(30)).get().vpn
    assert connectivity.vpn_alive("vpn-1", at=at(31)) == 1
    assert VpnServer.objects.get().due_at == at(91)


# Otherwise: which module brings a column, or why it may lie ahead.
OTHERWISE = {
    "devices_apikey.expires_at": "it is meant to",
    "devices_apikey.registered_hour": "another hour than this counts as none",
    "devices_fleettally.at": "devices.history.rollups deletes hours that have not come",
    **dict.fromkeys(
        (
            "devices_heartbeat.last_poll_at",
            "devices_heartbeat.late_at",
            "devices_heartbeat.lost_at",
            "devices_heartbeat.due_at",
            "devices_heartbeat.recorded_other_at",
            "devices_vpnserver.last_sign_at",
            "devices_vpnserver.last_event_at",
            "devices_vpnserver.lease_until",
            "devices_vpnserver.due_at",
        ),
        "devices.clock.steps has statements of their own, as they keep their shape",
    ),
    **dict.fromkeys(
        (
            "devices_listening.pulse_at",
            "devices_listening.returned_at",
            "devices_listening.worked_at",
            "devices_listening.stepped_at",
            "devices_listeningprocess.pulse_at",
            "devices_outage.began_at",
            "devices_outage.ended_at",
        ),
        "devices.connectivity.outages does, which notices",
    ),
}


def test_every_moment_that_is_recorded_comes_to_the_present_or_is_excused() -> None:
    brought = {
        f"{dated.table}.{column}"
        for dated in (*steps.OF_DEVICES, *steps.OF_THE_SITE)
        for column in dated.columns
        if dated.table.startswith("devices_")
    }
    recorded = {
        f"{model._meta.db_table}.{column.column}"
        for model in apps.get_app_config("devices").get_models()
        for column in model._meta.concrete_fields
        if isinstance(column, DateTimeField) and not column.generated
    }
    assert brought | set(OTHERWISE) == recorded
    assert not brought & set(OTHERWISE)


def test_what_is_kept_for_a_while_is_not_kept_for_longer_once_the_clock_is_right() -> None:
    """The file of the keys of many devices above all, which is offered for 24 hours."""
    fleet = make_fleet()
    organization = fleet.organization
    listing = DeviceList.objects.create(
        organization=organization, fleet=fleet, count=1, created_at=at(DAY), keys_at=at(DAY)
    )
    FormerKey.objects.create(digest=b"1", organization=organization, device_uuid="0", deleted_at=at(DAY))
    Verification.objects.create(began_at=at(DAY), ended_at=at(DAY + 1), found=0, lines=[])
    assert len(dated_ahead(1)) == 3
    outages.set_right(at(1))
    assert dated_ahead(1) == []
    listing.refresh_from_db()
    assert (listing.created_at, listing.keys_at) == (at(1), at(1))


def test_keys_say_when_they_were_used_since_the_clock_is_right() -> None:
    device = make_device()
    _, key = keys.issue(device, at=at(0))
    usage = key_usage.Usage()
    usage.note_used(key)
    usage.write(at(DAY))
    outages.record_liveness(at(DAY))
    outages.record_liveness(at(10))
    assert ApiKey.objects.get().last_used_at == at(10)
    usage.note_used(key)
    assert usage.write(at(3600)) == 1


def test_tallies_of_hours_that_have_not_come_go() -> None:
    polled(0)
    outages.record_liveness(at(DAY))
    connectivity.settle(at(DAY))
    rollups.keep(at(DAY))
    assert FleetTally.objects.filter(at__gt=at(4000)).exists()
    outages.record_liveness(at(4000))
    rollups.keep(at(4000))
    assert not FleetTally.objects.filter(at__gt=at(4000)).exists()
    assert rollups.keep(at(4000)) == 0
    assert list(disagreements(at(4000))) == []


def test_a_clock_that_is_ahead_deletes_no_history() -> None:
    retention.make_ahead(T0)
    polled(0)
    connectivity.settle(at(100))
    before = StatusChange.objects.count()
    outages.record_liveness(at(100))
    outages.record_liveness(at(365 * DAY))
    retention.keep(at(365 * DAY + 1))
    assert StatusChange.objects.count() == before
    outages.record_liveness(at(366 * DAY + 2))  # by now it is believed
    assert trusted(clock.moment(at(367 * DAY + 3))) == at(366 * DAY + 2)


def test_a_month_takes_over_the_rows_that_came_before_it_was_made() -> None:
    late = datetime(2041, 5, 3, tzinfo=UTC)
    device = make_device(created_at=late)
    assert retention.make_ahead(late)[0] == "devices_connectivityrecord_2041_05"
    with connection.cursor() as cursor:
        cursor.execute("SELECT device_id FROM devices_statuschange_2041_05")
        assert cursor.fetchall() == [(device.pk,)]
    assert retention.make_ahead(late) == []


# By hand


def test_verify_status_says_what_is_dated_ahead_and_repairs_it() -> None:
    now = clock.now()
    device = make_device(make_fleet(poll_interval=10), created_at=now)
    Listening.objects.create(pulse_at=now + timedelta(days=1))
    Outage.objects.create(began_at=now - timedelta(seconds=5), ended_at=now + timedelta(days=1))
    connectivity.record_heartbeats([device.pk], now + timedelta(days=1))
    said = StringIO()
    with pytest.raises(
        CommandError, match="--repair brings records that are dated in the future to the present"
    ):
        call_command("verify_status", stdout=said)
    for where in ("the pulse", "an outage", f"devices_heartbeat {device.pk}", f"devices_device {device.pk}"):
        assert f"{AHEAD}: {where} has {now.year}" in said.getvalue()
    said = StringIO()
    call_command("verify_status", "--repair", stdout=said)
    first, last = said.getvalue().splitlines()
    assert first.startswith("The database's clock was set back by 23\N{NO-BREAK SPACE}h") or "1\xa0d" in first
    assert last == "All records match the facts."
    assert Outage.objects.get().ended_at < clock.now()
