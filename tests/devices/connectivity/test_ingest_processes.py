"""Of several ingest processes none hides behind another's signs (domain.md, Our own outages)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import pytest

from devices import clock, connectivity
from devices.connectivity import outages as listening
from devices.connectivity.ingest_processes import Presence
from devices.models import Device, Listening, ListeningProcess, Outage
from devices.rules.vocabulary import Status
from devices.status.reading import with_status
from tests.factories import T0, make_device, make_fleet, seconds

pytestmark = pytest.mark.django_db(transaction=True)


def at(number: float) -> datetime:
    return T0 + seconds(number)


@pytest.fixture
def one() -> Iterator[Presence]:
    presence = Presence()
    yield presence
    presence.end()


@pytest.fixture
def other() -> Iterator[Presence]:
    presence = Presence()
    yield presence
    presence.end()


def leave_sign(presence: Presence, moment: float) -> None:
    while not listening.beat(at(moment), presence.number()):
        pass


def outages() -> list[tuple[datetime, datetime]]:
    return list(Outage.objects.order_by("began_at").values_list("began_at", "ended_at"))


def test_what_one_stuck_process_does_not_hear_is_an_outage_though_the_other_leaves_signs(
    one: Presence, other: Presence
) -> None:
    device = make_device(make_fleet(poll_interval=10))
    connectivity.record_heartbeats([device.pk], at(0))
    leave_sign(other, 0)
    for moment in range(0, 60, 2):  # the device's polls go to the other
        leave_sign(one, moment)
    assert clock.moment(at(60)).outage == clock.Interruption(at(0), None)
    leave_sign(other, 60)
    assert outages() == [(at(0), at(60))]
    connectivity.settle(at(60))
    shown = with_status(Device.objects.all(), at(89)).get()
    assert (shown.status, shown.poll.late_at) == (Status.HEARTBEAT_ONLY, at(75))


def test_one_that_comes_back_ends_the_outage_that_pages_spoke_of(one: Presence, other: Presence) -> None:
    leave_sign(other, 0)
    for moment in (0, 2, 4, 6, 8):
        leave_sign(one, moment)
    assert clock.moment(at(10.1)).outage == clock.Interruption(at(0), None)
    leave_sign(other, 10.1)
    assert outages() == [(at(0), at(10.1))]
    assert Listening.objects.get().pulse_at == at(10.1)


def test_the_log_names_the_one_that_is_stuck(
    one: Presence, other: Presence, caplog: pytest.LogCaptureFixture
) -> None:
    leave_sign(other, 0)
    leave_sign(one, 5)
    assert not caplog.records
    leave_sign(one, 6)
    name = ListeningProcess.objects.get(pk=other.number()).name
    assert f"the ingest process {name} has recorded no liveness since" in caplog.text


def test_processes_that_take_turns_make_no_outage(one: Presence, other: Presence) -> None:
    for moment in range(0, 60, 9):
        leave_sign(one, moment)
        leave_sign(other, moment + 8)
    assert Listening.objects.get().pulse_at == at(54)
    assert outages() == []


def test_nobody_waits_for_one_that_ended_or_was_killed(one: Presence, other: Presence) -> None:
    leave_sign(other, 0)
    other.end()
    assert not ListeningProcess.objects.exists()
    killed = Presence()
    leave_sign(killed, 0)
    assert killed._session
    killed._session.close()
    for moment in range(0, 20, 2):
        leave_sign(one, moment)
    assert ListeningProcess.objects.get().pk == one.number()
    assert (Listening.objects.get().pulse_at, outages()) == (at(18), [])


def test_the_last_one_that_was_killed_is_followed_by_its_successor(one: Presence) -> None:
    killed = Presence()
    leave_sign(killed, 0)
    assert killed._session
    killed._session.close()
    leave_sign(one, 100)
    assert outages() == [(at(0), at(100))]
    leave_sign(one, 102)
    assert Listening.objects.get().pulse_at == at(102)


def test_one_whose_session_broke_goes_on_with_another(one: Presence, other: Presence) -> None:
    leave_sign(one, 0)
    leave_sign(other, 0)
    assert other._session  # of the same role, which may do this
    ended = "SELECT pg_terminate_backend(pid, 10000) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s"
    assert other._session.execute(ended, [one.number()]).fetchall() == [(True,)]
    for moment in range(2, 20, 2):
        leave_sign(one, moment)
        leave_sign(other, moment)
    assert ListeningProcess.objects.count() == 2
    assert (Listening.objects.get().pulse_at, outages()) == (at(18), [])


def test_one_whose_old_session_the_server_still_holds_for_alive_goes_on_under_another_number(
    one: Presence,
) -> None:
    leave_sign(one, 0)
    before, held = one.number(), one._session
    one._session = None
    leave_sign(one, 2)
    assert one.number() != before
    assert ListeningProcess.objects.get().pk == one.number()
    assert Listening.objects.get().pulse_at == at(2)
    assert held
    held.close()
