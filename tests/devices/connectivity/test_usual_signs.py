"""Liveness signs where nothing else is to be done: one message, which decides nothing by itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from devices.clock.own import OwnClock
from devices.connectivity import ingest_processes
from devices.connectivity.ingest_processes import record_usual_sign
from devices.connectivity.outages import beat
from devices.models import Listening, ListeningProcess, Outage
from tests.factories import T0, seconds

pytestmark = pytest.mark.django_db

OWN, OTHER = 1, 2  # numbers of processes


def at(number: float) -> datetime:
    return T0 + seconds(number)


def known() -> tuple[object, ...]:
    """Everything that a sign could write."""
    return (*Listening.objects.values_list(), *ListeningProcess.objects.order_by("pk").values_list())


@pytest.fixture
def own() -> OwnClock:
    """The clock of a process that has recorded signs at 0 s and, after two seconds of its own, at 2 s."""
    passed = [0.0]
    clock = OwnClock(lambda: passed[0])
    beat(at(0), OWN, clock)
    passed[0] = 2.0
    beat(at(2), OWN, clock)
    passed[0] = 4.0
    return clock


def usual(own: OwnClock, moment: float) -> bool:
    return record_usual_sign(OWN, at(moment), own.before(at(moment))) == at(moment)


def test_it_is_one_message_that_keeps_the_sign_and_how_far_the_ledger_goes(own: OwnClock) -> None:
    with CaptureQueriesContext(connection) as asked:
        assert beat(at(4), OWN, own)
    assert len(asked) == 1
    assert Listening.objects.get().pulse_at == ListeningProcess.objects.get().pulse_at == at(4)


def test_the_ledger_goes_as_far_as_all_processes_listened(own: OwnClock) -> None:
    beat(at(3), OTHER)
    assert usual(own, 4)
    assert Listening.objects.get().pulse_at == at(3)
    assert usual(own, 5)
    assert Listening.objects.get().pulse_at == at(3)


def test_it_tells_steps_of_the_clock_as_before(own: OwnClock) -> None:
    beat(at(4), OWN, own)
    beat(at(4 + 60), OWN, own)  # of which the own clock knows nothing
    (outage,) = Outage.objects.all()
    assert (outage.began_at, outage.ended_at) == (at(4), at(64))
    assert Listening.objects.get().stepped_by == seconds(60)


@pytest.mark.parametrize(
    ("moment", "change"),
    [
        pytest.param(6.1, lambda: None, id="set forward by more than two seconds"),
        pytest.param(-0.1, lambda: None, id="set back by more than two seconds"),
        pytest.param(4, lambda: Listening.objects.update(returned_at=at(3)), id="an outage closes"),
        pytest.param(4, lambda: Listening.objects.update(worked_at=at(3)), id="an outage was worked on"),
        pytest.param(
            4,
            lambda: Listening.objects.update(resumed_at=at(0), moved_until=at(7.9)),
            id="deadlines are to be moved",
        ),
        pytest.param(4, lambda: Listening.objects.update(ahead=True), id="rows lie ahead"),
        pytest.param(4, lambda: Listening.objects.all().delete(), id="there is no ledger"),
        pytest.param(
            4, lambda: ListeningProcess.objects.create(id=OTHER, pulse_at=at(-1.1)), id="another is silent"
        ),
        pytest.param(
            4, lambda: ListeningProcess.objects.create(id=OTHER, pulse_at=at(6.1)), id="another is ahead"
        ),
    ],
)
def test_where_something_has_to_be_looked_at_it_writes_nothing(
    own: OwnClock, moment: float, change: Callable[[], object]
) -> None:
    change()
    before = known()
    assert not usual(own, moment)
    assert known() == before


def test_it_is_enough_while_the_next_deadlines_are_not_to_be_moved_yet(own: OwnClock) -> None:
    Listening.objects.update(resumed_at=at(0), moved_until=at(8))
    assert usual(own, 4)


def test_a_gap_that_makes_an_outage_is_looked_at(own: OwnClock) -> None:
    new = OwnClock()  # of a process that compares nothing yet
    assert not usual(new, 12.1)
    assert usual(new, 12)


def test_a_process_that_has_read_a_later_clock_looks_closely(own: OwnClock) -> None:
    before = own.before()
    before = type(before)(before.passed, at(6.1), before.latest)
    assert record_usual_sign(OWN, at(4), before) is None
    assert record_usual_sign(OWN, at(4.1), before) == at(4.1)


def test_it_looks_closely_where_it_waited_for_another_process(
    own: OwnClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest_processes, "PROMPT", seconds(-1))  # as if any message had waited longer
    assert not usual(own, 4)
    assert beat(at(4), OWN, own)
    assert Listening.objects.get().pulse_at == at(4)
