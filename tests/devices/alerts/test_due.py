"""A round with nothing to do is one query, and what is due is never left for long."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from devices import clock
from devices.alerts import due
from devices.alerts.due import Due
from devices.alerts.rounds import run_round
from devices.clock import Moment
from devices.connectivity.outages import record_liveness
from devices.models import Condition, IncidentMember, Signal, Teller
from tests.devices.alerts.test_rounds import make_devices, make_rule, poll
from tests.factories import T0, make_fleet, seconds

pytestmark = pytest.mark.django_db

LOOK_QUERIES = 18


def concluded() -> float:
    at = Teller.objects.get().concluded_at
    assert at
    return (at - T0).total_seconds()


def test_where_nothing_happened_a_round_asks_once_and_writes_nothing() -> None:
    make_rule(make_fleet())
    run_round(T0)
    known = clock.moment(T0 + seconds(14.9))
    with CaptureQueriesContext(connection) as asked:
        assert run_round(known) == T0 + seconds(30)  # then devices are looked at
    assert len(asked) == 2  # whether there is anything to settle, and what is due
    assert concluded() == 0


def test_where_nothing_happened_it_concludes_by_one_more_statement() -> None:
    make_rule(make_fleet())
    run_round(T0)
    known = clock.moment(T0 + seconds(15))
    with CaptureQueriesContext(connection) as asked:
        assert run_round(known) == T0 + seconds(30)
    assert len(asked) == 3
    assert (concluded(), Teller.objects.get().ended_at) == (15, T0 + seconds(15))


@pytest.mark.parametrize("number", [1, 30])
def test_a_look_that_finds_nothing_takes_a_few_statements_whatever_the_number_of_devices(number: int) -> None:
    fleet = make_fleet()
    make_rule(fleet, Condition.STALLED)
    make_devices(fleet, number)
    run_round(T0)
    known = clock.moment(T0 + seconds(30))
    with CaptureQueriesContext(connection) as asked:
        run_round(known)
    assert len(asked) == LOOK_QUERIES


def test_what_happened_after_the_last_liveness_sign_waits_until_the_ingest_has_listened_that_far() -> None:
    make_rule(make_fleet())
    run_round(T0)
    record_liveness(T0 + seconds(2))
    Signal.objects.create(organization_id=1, kind=Signal.Kind.RULE, device_id=0, at=T0 + seconds(3))
    known = clock.moment(T0 + seconds(3.5))
    with CaptureQueriesContext(connection) as asked:
        assert run_round(known) == T0 + seconds(3)
    assert len(asked) == 2
    record_liveness(T0 + seconds(4))
    run_round(T0 + seconds(4.5))
    assert concluded() == 4
    assert not Signal.objects.exists()


def test_alerts_that_work_conclude_every_fifteen_seconds_whatever_happens() -> None:
    for at in range(0, 60, 5):
        run_round(T0 + seconds(at))
        assert at - concluded() < 15


def test_a_whole_round_and_one_after_the_clock_was_set_back_always_run() -> None:
    run_round(T0)
    run_round(T0 + seconds(1), whole=True)
    assert concluded() == 1
    run_round(T0)
    assert concluded() == 0


def test_a_signal_a_deadline_and_the_clock_of_a_member_are_due() -> None:
    """Offline at 105 s; due 2 min later; alone after a minute more."""
    fleet = make_fleet(vpn_enabled=False, poll_interval=60)
    make_rule(fleet)
    poll(make_devices(fleet, 1), 0)
    assert Signal.objects.exists()
    run_round(T0 + seconds(1))
    assert not Signal.objects.exists()
    for at in range(5, 300, 5):
        run_round(T0 + seconds(at))
        member = IncidentMember.objects.first()
        assert (member.state if member else None) == (
            None if at < 105 else "pending" if at < 225 else "firing"
        )
    assert due.read().ended_at


@pytest.mark.parametrize(
    ("play_at", "look_at", "ended", "nothing"),
    [
        (None, None, 0, True),
        (6, 6, 0, True),
        (5, None, 0, True),  # the ingest has listened up to 4 s
        (4, None, 0, False),
        (None, 5, 0, False),
        (6, 6, -10, False),
        (6, 6, 6, False),
        (6, 6, None, False),
    ],
)
def test_a_round_waits_for_what_is_due_unless_the_last_one_is_long_ago(
    play_at: float | None, look_at: float | None, ended: float | None, *, nothing: bool
) -> None:
    plays, looks, last = [None if each is None else T0 + seconds(each) for each in (play_at, look_at, ended)]
    at = Moment(T0 + seconds(5), T0 + seconds(5), T0 + seconds(4))
    assert Due(plays, looks, last, None).nothing(at, seconds(15)) is nothing
