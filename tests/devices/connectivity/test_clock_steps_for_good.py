"""The database's clock is set for good, back or forward, and nobody waits or is late for it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from devices import connectivity
from devices.clock.own import OwnClock
from devices.connectivity import outages
from devices.models import (
    Heartbeat,
    Listening,
    Outage,
    VpnServer,
)
from devices.rules.vocabulary import Status
from tests.devices.connectivity.clock_set import DAY, Process, at, polled, status

pytestmark = pytest.mark.django_db


# A clock that is set back for good, and forward


def test_of_a_clock_that_is_set_back_ten_minutes_no_poll_and_no_sign_waits_for_them() -> None:
    polls, dies = polled(600), polled(600)
    ingest = Process()
    ingest.leave_sign(602)
    ingest.leave_sign(604, -600)
    connectivity.record_heartbeats([polls.pk], at(10))
    assert Heartbeat.objects.get(pk=polls.pk).late_at == at(25)
    ingest.leave_sign(606, -600)
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
def test_a_clock_that_is_set_back_by_no_more_than_a_sign_is_waited_for(back: float) -> None:
    ingest = Process()
    ingest.leave_sign(100)
    ingest.leave_sign(100, -back)
    assert Listening.objects.get().stepped_at is None
    assert Listening.objects.get().pulse_at == at(100)


@pytest.mark.parametrize("by", [3, 10, 3600, 400 * DAY])
def test_a_clock_that_is_set_forward_makes_nobody_late(by: float) -> None:
    device = polled(0)
    connectivity.vpn_alive("vpn-1", at=at(0))
    ingest = Process()
    ingest.leave_sign(0)
    ingest.leave_sign(2, by)
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
    one.leave_sign(0)
    two.leave_sign(1)
    for process, passed in [(one, 2), (two, 3), (one, 4), (new, 4.5), (two, 5)]:
        process.leave_sign(passed, 5)
    outage = Outage.objects.get()
    assert (outage.began_at, outage.ended_at) == (at(1), at(7))


def test_a_machine_that_was_suspended_is_an_outage_and_no_step() -> None:
    device = polled(0)
    ingest = Process()
    ingest.leave_sign(0)
    ingest.leave_sign(3600)
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
