"""Who sends to a target and how much at once: lanes, limits, and targets that the queue has lost."""

from __future__ import annotations

import pytest
from django.db import connection

from devices.alerts import handing, lane, told
from devices.models import AlertMessage, AlertTarget, Told
from tests.devices.alerts.sending import (
    ACCEPTED,
    AWAY,
    HOUR,
    MINUTE,
    MOMENT,
    SECOND,
    Receiver,
    T,
    make_incident,
    make_message,
    make_target,
    outcome,
    state,
    tasks,
)

pytestmark = pytest.mark.django_db


def test_a_lane_is_one_workers(target: AlertTarget) -> None:
    mine = lane.take(target.pk, T)
    assert mine
    make_message(target)
    receiver = Receiver()
    assert receiver.deliver(target) == T + lane.LEASE
    assert not receiver.sent
    receiver.deliver(target, T + lane.LEASE)
    assert len(receiver.sent) == 1


def test_whoever_lost_the_lane_writes_nothing(target: AlertTarget) -> None:
    message = make_message(target)
    receiver = Receiver()
    receiver.meanwhile = lambda: lane.take(target.pk, T + lane.LEASE)
    receiver.deliver(target)
    assert outcome(message) == ""
    assert not Told.objects.exists()


def test_what_is_written_while_the_lane_is_taken_is_sent_by_whoever_has_it(target: AlertTarget) -> None:
    make_message(target)
    receiver = Receiver()
    later: list[AlertMessage] = []

    def write() -> None:
        if not later:
            later.append(make_message(target))
            assert Receiver().deliver(target) == T + lane.LEASE

    receiver.meanwhile = write
    assert receiver.deliver(target) is None
    assert outcome(later[0]) == "accepted"


def test_five_at_once_then_one_a_second(target: AlertTarget) -> None:
    for _ in range(7):
        make_message(target)
    receiver = Receiver()

    def takes_a_moment() -> None:
        receiver.at += MOMENT

    receiver.meanwhile = takes_a_moment
    assert receiver.deliver(target) == T + MOMENT + 5 * SECOND
    assert len(receiver.sent) == 5
    receiver.meanwhile = lambda: None
    assert receiver.deliver(target, T + MOMENT + 5 * SECOND) == T + 2 * MOMENT + 5 * SECOND
    assert len(receiver.sent) == 6


@pytest.mark.thorough
def test_more_than_sixty_in_an_hour_are_bundled() -> None:
    target, receiver = make_target("slack"), Receiver()
    for number in range(70):
        make_message(target, at=T + number * 10 * SECOND)
        receiver.deliver(target, T + number * 10 * SECOND)
    assert len(receiver.sent) == 60
    last = T + 59 * 10 * SECOND
    again_at = receiver.deliver(target)
    assert again_at == last + 5 * MINUTE
    receiver.deliver(target, again_at)
    assert receiver.subjects[-1] == "10 incidents"
    assert not AlertMessage.objects.filter(outcome="").exists()
    assert Told.objects.count() == 70


def test_a_webhook_is_not_bundled(target: AlertTarget) -> None:
    receiver = Receiver()
    for number in range(70):
        make_message(target, at=T + number * 2 * SECOND)
        receiver.deliver(target, T + number * 2 * SECOND)
    assert len(receiver.sent) == 70


def test_a_target_that_the_queue_has_lost_is_found(target: AlertTarget) -> None:
    make_message(target)
    assert handing.hand_over_lost(T) == [target.pk]
    assert handing.hand_over_lost(T) == []
    assert tasks("alerts.deliver") == [{"target": target.pk}]


def test_a_target_that_is_paused_or_waits_for_its_next_attempt_is_not_lost(target: AlertTarget) -> None:
    message = make_message(target, at=T + MINUTE)
    assert handing.hand_over_lost(T) == []
    AlertTarget.objects.update(state="paused")
    assert handing.hand_over_lost(message.created_at) == []
    assert handing.hand_over_lost(message.created_at + 24 * HOUR) == [target.pk]


def test_what_is_new_does_not_wait_for_another_attempt_of_what_is_old(target: AlertTarget) -> None:
    handing.wake([target.pk], T + HOUR)
    handing.wake([target.pk], T + MINUTE)
    handing.wake([target.pk])
    handing.wake([target.pk])
    with connection.cursor() as cursor:
        cursor.execute("SELECT scheduled_at FROM procrastinate_jobs ORDER BY id")
        assert cursor.fetchall() == [(T + MINUTE,), (None,)]


def test_of_several_incidents_one_target_knows_each(target: AlertTarget) -> None:
    first = make_message(target)
    told.record([first], T)
    other = make_message(target, make_incident(target.organization))
    Receiver().deliver(target)
    assert outcome(other) == "accepted"
    assert Told.objects.count() == 2


def test_an_alertmanager_is_posted_what_fires_each_two_minutes() -> None:
    """It forgets alerts when it starts again; nothing more is posted once an incident is over."""
    target, receiver = make_target("alertmanager"), Receiver()
    first, second = make_message(target), make_message(target)
    assert receiver.deliver(target) == T + 2 * MINUTE
    assert receiver.deliver(target, T + 2 * MINUTE) == T + 4 * MINUTE
    assert set(receiver.sent[-1].messages) == {first, second}
    receiver.answers = AWAY
    assert receiver.deliver(target, T + 4 * MINUTE) == T + 4.5 * MINUTE
    assert state(target)[0] == "failing"
    receiver.answers = ACCEPTED
    assert receiver.deliver(target, T + 4.5 * MINUTE) == T + 6.5 * MINUTE
    for message in (first, second):
        make_message(target, message.incident, 2, "resolved", at=T + 5 * MINUTE)
    assert receiver.deliver(target, T + 5 * MINUTE) is None


def test_an_alertmanager_that_the_queue_has_lost_is_found() -> None:
    target = make_target("alertmanager")
    make_message(target)
    Receiver().deliver(target)
    assert handing.hand_over_lost(T + 3 * MINUTE) == []
    assert handing.hand_over_lost(T + 4 * MINUTE) == [target.pk]
    assert handing.hand_over_lost(T + 4 * MINUTE) == []
