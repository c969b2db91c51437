"""Our own outages: what we did not hear is not held against a device (domain.md, Our own outages)."""

from __future__ import annotations

from datetime import datetime

import pytest
from pytest_django import DjangoAssertNumQueries

from devices import clock, connectivity
from devices.connectivity import moving, outages
from devices.history import device_history, spans
from devices.models import ConnectivityRecord, Device, Heartbeat, Listening, Outage, StatusChange, VpnServer
from devices.rules.vocabulary import Status
from devices.status.counts import count_by_status
from devices.status.explanation import explain
from devices.status.reading import filter_by_status, with_status
from tests.bench.fill import copied, execute
from tests.factories import T0, make_device, make_fleet, seconds

pytestmark = pytest.mark.django_db

HOUR = 3600


def at(number: float) -> datetime:
    return T0 + seconds(number)


def status(device: Device, moment: datetime) -> str:
    return str(with_status(Device.objects.filter(pk=device.pk), moment).get().status)


def polled(moment: float = 0, interval: int = 10) -> Device:
    device = make_device(make_fleet(poll_interval=interval))
    connectivity.record_heartbeats([device.pk], at(moment))
    return device


def listen(start: float, end: float) -> None:
    """A liveness sign every two seconds."""
    for number in range(int((end - start) // 2) + 1):
        outages.record_liveness(at(start + 2 * number))
    outages.record_liveness(at(end))


# The ledger


def test_without_any_sign_there_is_no_outage() -> None:
    device = polled()
    assert clock.moment(at(HOUR)).outage is None
    assert status(device, at(30)) == Status.OFFLINE


@pytest.mark.parametrize(("gap", "heard"), [(10, 10), (10.000001, 0)])
def test_an_outage_is_a_gap_of_more_than_ten_seconds(gap: float, heard: float) -> None:
    outages.record_liveness(at(0))
    assert clock.moment(at(gap)).heard == at(heard)
    outages.record_liveness(at(gap))
    assert Outage.objects.count() == (gap > 10)
    assert clock.moment(at(gap)).heard == at(gap)  # its end is no part of it
    assert clock.moment(at(gap - 0.000001)).heard == (at(0) if gap > 10 else at(gap - 0.000001))


def test_signs_of_several_processes_are_one_ledger_and_old_ones_change_nothing() -> None:
    for moment in (0, 4, 3, 4, 8):
        outages.record_liveness(at(moment))
    assert Listening.objects.get().pulse_at == at(8)
    assert not Outage.objects.exists()


def test_a_moment_knows_the_newest_silence() -> None:
    listen(0, 20)
    assert clock.moment(at(30)).outage is None
    assert clock.moment(at(31)).outage == clock.Interruption(at(20), None)
    outages.record_liveness(at(80))
    assert clock.moment(at(81)).outage == clock.Interruption(at(20), at(80))
    assert clock.moment(at(19)).outage is None


def test_a_moment_that_knows_asks_no_more(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    outages.record_liveness(at(0))
    moment = clock.moment(at(100))
    with django_assert_num_queries(0):
        assert clock.moment(moment) is moment
        assert (moment.at, moment.heard, moment.concluded) == (at(100), at(0), at(0))


# Readings


def test_inside_an_outage_every_reading_is_the_one_at_its_start() -> None:
    recent, late, lost = polled(0), polled(-16), polled(-40)
    outages.record_liveness(at(0))
    counts = count_by_status(Device.objects.all(), at(0))
    for moment in (11, 30, HOUR, 30 * 24 * HOUR):
        assert [status(each, at(moment)) for each in (recent, late, lost)] == [
            Status.HEARTBEAT_ONLY,
            Status.HEARTBEAT_ONLY,
            Status.OFFLINE,
        ]
        assert count_by_status(Device.objects.all(), at(moment)) == counts
        known = clock.moment(at(moment))
        assert filter_by_status(Device.objects.all(), [Status.OFFLINE], known).get() == lost
        assert explain(recent, at(moment)).next_status is None
    assert connectivity.settle(at(HOUR)) == 3  # the late one and both edges of the lost one, no more
    assert ConnectivityRecord.objects.filter(at__gt=at(0)).count() == 0


def test_after_it_what_had_not_passed_begins_anew() -> None:
    recent, late, lost = polled(0), polled(-16), polled(-40)
    connectivity.vpn_alive("vpn-1", at=at(0))
    outages.record_liveness(at(0))
    outages.record_liveness(at(HOUR))
    window = {each.device_id: (each.late_at, each.lost_at) for each in Heartbeat.objects.all()}
    assert window == {
        recent.pk: (at(HOUR + 15), at(HOUR + 30)),
        late.pk: (at(-1), at(HOUR + 15)),
        lost.pk: (at(-25), at(-10)),
    }
    assert VpnServer.objects.get().lease_until == at(HOUR + 60)
    assert (explain(recent, at(HOUR)).next_status, explain(recent, at(HOUR)).next_at) == (
        Status.OFFLINE,
        at(HOUR + 30),
    )


def test_what_an_event_recorded_during_it_begins_anew_too() -> None:
    device = polled(0)
    outages.record_liveness(at(0))
    connectivity.record_heartbeats([device.pk], at(50))  # by a process that died before its liveness sign
    assert status(device, at(49)) == status(device, at(90)) == Status.HEARTBEAT_ONLY
    outages.record_liveness(at(100))
    assert Heartbeat.objects.get().late_at == at(115)
    listen(100, 130)
    assert status(device, at(129)) == Status.HEARTBEAT_ONLY
    assert status(device, at(130)) == Status.OFFLINE


def test_a_lease_that_had_ended_stays_ended_and_one_that_lived_gets_a_minute() -> None:
    ended, lives = make_device(), make_device()
    connectivity.vpn_alive("vpn-1", at=at(-60))
    connectivity.vpn_alive("vpn-2", at=at(-59))
    for name, device, moment in (("vpn-1", ended, -60), ("vpn-2", lives, -59)):
        connectivity.vpn_connected(name, [device.uuid], at(moment))
    outages.record_liveness(at(0))
    listen(HOUR, HOUR + 60)
    for moment, links in [(HOUR + 59, [False, True]), (HOUR + 60, [False, False])]:
        shown = with_status(Device.objects.order_by("pk"), at(moment))
        assert [device.vpn for device in shown] == links


def test_a_server_that_does_not_name_its_life_was_not_silent_while_we_were() -> None:
    connectivity.vpn_alive("vpn-1", at=at(0), boot=None)
    outages.record_liveness(at(0))
    assert connectivity.vpn_alive("vpn-1", at=at(HOUR), boot=None) == 0
    outages.record_liveness(at(HOUR))
    assert connectivity.vpn_alive("vpn-1", at=at(HOUR + 59), boot=None) == 0


def test_an_outage_just_after_another_begins_every_window_once_more() -> None:
    device = polled(0)
    outages.record_liveness(at(0))
    outages.record_liveness(at(100))
    outages.record_liveness(at(112))
    assert [outage.ended_at for outage in Outage.objects.order_by("began_at")] == [at(100), at(112)]
    listen(112, 142)
    assert status(device, at(141)) == Status.HEARTBEAT_ONLY
    assert status(device, at(142)) == Status.OFFLINE


# Closing it


def test_it_stays_open_until_every_deadline_has_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moving, "PORTION", 2)
    devices = [polled(0) for _ in range(9)]
    outages.record_liveness(at(0))
    for _ in range(3):
        assert not outages.beat(at(HOUR))
        assert clock.moment(at(HOUR)).heard == at(0)
    assert outages.beat(at(HOUR))
    assert set(Heartbeat.objects.values_list("late_at", flat=True)) == {at(HOUR + 15)}
    assert status(devices[0], at(HOUR + 5)) == Status.HEARTBEAT_ONLY


def test_an_end_that_was_not_reached_is_taken_up_from_the_next_return(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(moving, "PORTION", 2)
    devices = [polled(0) for _ in range(5)]
    outages.record_liveness(at(0))
    assert not outages.beat(at(100))  # some of them moved, then everybody died
    connectivity.record_heartbeats([devices[4].pk], at(101))
    assert clock.moment(at(150)).heard == at(0)
    outages.record_liveness(at(200))
    assert Outage.objects.get().ended_at == at(200)
    assert set(Heartbeat.objects.values_list("late_at", flat=True)) == {at(215)}


def test_a_long_closing_ends_the_outage_when_we_came_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moving, "PORTION", 1)
    for _ in range(4):
        polled(0)
    outages.record_liveness(at(0))
    for moment in (100, 109, 118):
        assert not outages.beat(at(moment))
    assert outages.beat(at(127))
    assert (Outage.objects.get().ended_at, Listening.objects.get().pulse_at) == (at(100), at(127))
    assert clock.moment(at(128)).heard == at(128)


# The drill of the issue


COPIES = """
INSERT INTO devices_device ({columns})
SELECT {values} FROM devices_device AS model, generate_series(2, %(number)s) AS n WHERE id = %(model)s
"""


def like(device: Device, number: int) -> list[int]:
    """The ids of so many devices: this one and copies of it, made by SQL, for objects take long."""
    columns, values = copied(Device, id=None, uuid="md5(n::text)")
    execute(COPIES.format(columns=columns, values=values), number=number, model=device.pk)
    execute("ANALYZE devices_device")  # autovacuum sees nothing of a test, for it commits nothing
    return list(Device.objects.order_by("pk").values_list("pk", flat=True))


def told(device: int, end: datetime) -> tuple[list[tuple[datetime, datetime]], float | None]:
    """What the lanes of a device hatch since T0, and its uptime."""
    found = with_status(Device.objects.filter(pk=device), end).get()
    known = clock.moment(end)
    history = spans.spans_of(found, device_history.read(found, T0, known), T0, known)
    return history.outages, history.uptime("status", T0, end)


@pytest.mark.parametrize("settles", [True, False])
@pytest.mark.parametrize("devices", [500, pytest.param(10_000, marks=pytest.mark.system)])
def test_an_hour_of_ours_under_many_devices_changes_no_status(devices: int, *, settles: bool) -> None:
    everybody = like(make_device(make_fleet(poll_interval=10), created_at=at(-HOUR)), devices)
    tenth = devices // 10
    lost, back, gone = everybody[:tenth], everybody[tenth:-tenth], everybody[-tenth:]
    connectivity.record_heartbeats(lost, at(-100))
    connectivity.record_heartbeats(back + gone, at(0))
    execute("ANALYZE devices_heartbeat")
    outages.record_liveness(at(0))
    connectivity.settle(at(0))
    before, changes = count_by_status(Device.objects.all(), at(0)), StatusChange.objects.count()
    assert before == dict.fromkeys(Status, 0) | {
        Status.OFFLINE: tenth,
        Status.HEARTBEAT_ONLY: devices - tenth,
    }
    for moment in range(60, HOUR, 600):
        assert count_by_status(Device.objects.all(), at(moment)) == before
        if settles:
            assert connectivity.settle(at(moment)) == 0
    outages.record_liveness(at(HOUR))
    connectivity.record_heartbeats(back, at(HOUR + 5))
    listen(HOUR, HOUR + 34)
    assert count_by_status(Device.objects.all(), at(HOUR + 29.999)) == before
    offline = filter_by_status(Device.objects.all(), [Status.OFFLINE], clock.moment(at(HOUR + 30)))
    assert sorted(offline.values_list("pk", flat=True)) == lost + gone
    assert StatusChange.objects.count() == changes
    connectivity.settle(at(HOUR + 34))
    since = StatusChange.objects.filter(at__gt=at(0)).values_list("device_id", "after", "at")
    assert sorted(since) == [(pk, Status.OFFLINE, at(HOUR + 30)) for pk in gone]
    assert StatusChange.objects.count() == changes + len(gone)
    hatched = [(at(0), at(HOUR))]
    assert [told(some[0], at(HOUR + 34)) for some in (lost, back, gone)] == [
        (hatched, 0),
        (hatched, 1),
        (hatched, pytest.approx(30 / 34)),
    ]


def test_settle_waits_for_the_sign_that_makes_a_deadline_certain() -> None:
    device = polled(0)
    listen(0, 14)
    assert status(device, at(15)) == Status.HEARTBEAT_ONLY
    assert connectivity.settle(at(15)) == 0
    outages.record_liveness(at(16))
    assert connectivity.settle(at(16)) == 1
    record = ConnectivityRecord.objects.latest("id")
    assert (record.after, record.at) == ("late", at(15))
