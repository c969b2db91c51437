"""Deadlines that come later after an outage of ours move later (domain.md, Our own outages)."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.db import transaction
from pytest_django import DjangoAssertNumQueries

from devices import clock, connectivity
from devices.connectivity import moving, outages
from devices.models import Device, Heartbeat, Listening, Outage
from devices.rules.vocabulary import Status
from devices.status.explanation import explain
from tests.devices.connectivity.test_outages import HOUR, at, listen, polled, status
from tests.factories import seconds

pytestmark = pytest.mark.django_db

QUARTER = 900  # the poll interval of a site that sets nothing; late after 1350 s, lost after 1365 s


def late_ats() -> list[datetime]:
    return list(Heartbeat.objects.order_by("pk").values_list("late_at", flat=True))


def forecast(device: Device, moment: float) -> datetime | None:
    return explain(device, at(moment)).next_at


def test_a_deadline_that_comes_later_moves_before_it_comes_and_is_forecast_as_it_will_be() -> None:
    device = polled(0, QUARTER)
    outages.record_liveness(at(0))
    assert outages.beat(at(100))  # closed at once
    assert late_ats() == [at(1350)]
    assert forecast(device, 100) == at(100 + 1365)
    listen(100, 1300)
    assert late_ats() == [at(100 + 1350)]
    assert forecast(device, 1300) == at(100 + 1365)
    listen(1300, 100 + 1365)
    assert status(device, at(100 + 1364)) == Status.HEARTBEAT_ONLY
    assert status(device, at(100 + 1365)) == Status.OFFLINE


def test_deadlines_of_a_device_that_polls_after_it_never_move() -> None:
    device = polled(0, QUARTER)
    outages.record_liveness(at(0))
    outages.record_liveness(at(100))
    connectivity.record_heartbeats([device.pk], at(101))
    listen(101, 3000)
    assert late_ats() == [at(101 + 1350)]


def test_in_the_end_nothing_is_left_to_be_moved() -> None:
    polled(0, 24 * HOUR)
    outages.record_liveness(at(0))
    listen(100, 100)
    ledger = Listening.objects.get()
    for _ in range(11):
        assert ledger.resumed_at == at(100)
        assert ledger.moved_until is not None
        reached = ledger.moved_until
        Listening.objects.update(pulse_at=reached - seconds(20))
        outages.record_liveness(reached - seconds(15))
        ledger.refresh_from_db()
    assert (ledger.resumed_at, ledger.moved_until) == (None, None)
    assert late_ats() == [at(100 + 36 * HOUR)]


def test_an_outage_before_all_have_moved_begins_every_window_once_more() -> None:
    device, gone = polled(0, QUARTER), polled(-1200, QUARTER)  # the second would be late at 150
    outages.record_liveness(at(0))
    listen(40, 60)
    assert late_ats() == [at(1350), at(40 + 1350)]
    listen(300, 301)
    assert [forecast(each, 301) for each in (device, gone)] == [at(300 + 1365)] * 2
    listen(301, 300 + 1350)
    assert late_ats() == [at(300 + 1350)] * 2


def test_the_ledger_goes_no_further_than_deadlines_have_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moving, "PORTION", 1)
    devices = [polled(-1050, QUARTER) for _ in range(30)]  # late at 300
    outages.record_liveness(at(0))
    listen(100, 160)
    for moment in range(162, 210, 2):  # a pass until 340 has begun, and moves one of them each time
        assert not outages.beat(at(moment))
        assert Listening.objects.get().pulse_at == at(moment)
    monkeypatch.setattr(moving, "_move", lambda after, _: after)  # then it makes no progress
    for moment in range(210, 220):
        assert not outages.beat(at(moment))
    assert clock.moment(at(305)).heard == Listening.objects.get().pulse_at == at(210)
    assert {status(device, at(305)) for device in devices} == {Status.HEARTBEAT_ONLY}
    monkeypatch.undo()
    outages.record_liveness(at(310))
    assert Outage.objects.latest("ended_at").began_at == at(210)
    assert {forecast(device, 310) for device in devices} == {at(310 + 1365)}


def test_few_deadlines_are_found_by_themselves_and_many_device_by_device(
    monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for seconds_before in (0, 0, 0, 1300, 1300):
        polled(-seconds_before, QUARTER)
    outages.record_liveness(at(0))
    ledger = Listening.objects.get()
    for portion, span, statements in ((3, 9, 1), (2, 9, 2), (3, 2, 2)):
        monkeypatch.setattr(moving, "PORTION", portion)
        monkeypatch.setattr(moving, "SPAN", span)
        with transaction.atomic():
            moving.begin(ledger, at(100))
            with django_assert_num_queries(statements):
                assert moving.go_on(ledger, at(100), at(0)) == (span > 2)
            while not moving.go_on(ledger, at(100), at(0)):
                pass
            assert late_ats() == [at(1350)] * 3 + [at(100 + 1350)] * 2
            transaction.set_rollback(True)
