"""Delivery: each message ends, in order, by what its receiver answers; the clock is in the test's hands."""

from __future__ import annotations

import json
from datetime import timedelta
from itertools import repeat

import pytest
from django.db import connection

from devices.alerts import delivery, handing, lane, told
from devices.alerts.transports.envelope import Envelope, Outcome, Result
from devices.models import AlertMessage, AlertTarget, Told
from tests.devices.alerts.sending import (
    ACCEPTED,
    AWAY,
    MINUTE,
    Receiver,
    T,
    make_incident,
    make_message,
    make_target,
    outcome,
)

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)
MOMENT = timedelta(milliseconds=100)
HOUR = timedelta(hours=1)
REFUSED = Result(Outcome.REFUSED, "It answered 404: no such hook", 404)
BROKEN = Result(Outcome.FAILED, "It answered 500: oh", 500)


@pytest.fixture
def target() -> AlertTarget:
    return make_target()


def state(target: AlertTarget) -> tuple[str, str]:
    target.refresh_from_db()
    return target.state, target.last_error


def test_what_is_accepted_is_told(target: AlertTarget) -> None:
    message, receiver = make_message(target), Receiver()
    assert receiver.deliver(target) is None
    assert receiver.subjects == ["[critical] 38 of 40 devices at 203.0.113.7 lost the VPN within 90 s"]
    assert outcome(message) == "accepted"
    assert (message.accepted_at, message.attempts, message.next_at) == (T, 1, None)
    known = Told.objects.get()
    assert (known.incident_id, known.target_id, known.state, known.members, known.number) == (
        message.incident_id,
        target.pk,
        "firing",
        38,
        1,
    )
    assert state(target) == ("works", "")
    assert (target.accepted_at, target.leased_until) == (T, None)


def test_messages_are_sent_in_the_order_of_their_creation(target: AlertTarget) -> None:
    late, early = make_message(target, at=T + SECOND), make_message(target, at=T)
    receiver = Receiver(T + MINUTE)
    receiver.deliver(target)
    assert [envelope.message for envelope in receiver.sent] == [early, late]


def test_receiver_away(target: AlertTarget) -> None:
    """Closed for 20 min: tried again at growing distances, told once, with what is so then."""
    message, receiver = make_message(target), Receiver(answers=AWAY)
    at, tried = T, []
    while at < T + 20 * MINUTE:
        tried.append((at - T).total_seconds())
        again_at = receiver.deliver(target, at)
        assert again_at is not None
        at = again_at
    assert tried == [0, 5, 35, 155, 755]
    assert state(target) == ("failing", "It refused the connection.")
    assert target.state_since == T
    over = make_message(target, message.incident, 2, "resolved", at=T + 26 * MINUTE)
    receiver.answers, receiver.sent = ACCEPTED, []
    assert receiver.deliver(target, T + 26 * MINUTE) is None
    assert receiver.subjects == [
        "Was firing 14:05-14:31: 38 of 40 devices at 203.0.113.7 lost the VPN within 90 s"
    ]
    assert (outcome(message), outcome(over), message.superseded_by) == ("superseded", "accepted", over)
    assert state(target) == ("works", "")


def test_a_first_message_and_what_it_grew_to_are_one(target: AlertTarget) -> None:
    first = make_message(target)
    grew = make_message(target, first.incident, 2, "update", told_before={"members": 12, "at": ""})
    receiver = Receiver()
    receiver.deliver(target)
    (sent,) = receiver.sent
    assert sent.fresh
    assert "before" not in sent.text.brief
    assert (outcome(first), outcome(grew)) == ("superseded", "accepted")


def test_what_was_told_before_is_said_only_where_it_arrived(target: AlertTarget) -> None:
    first, receiver = make_message(target), Receiver()
    receiver.deliver(target)
    make_message(target, first.incident, 2, "update", told_before={"members": 12, "at": ""})
    receiver.deliver(target)
    assert "The message before named 12 devices." in receiver.sent[-1].text.brief


def test_a_message_of_another_incident_supersedes_nothing(target: AlertTarget) -> None:
    messages = [make_message(target), make_message(target)]
    Receiver().deliver(target)
    assert [outcome(message) for message in messages] == ["accepted", "accepted"]


def test_a_message_that_is_refused_is_not_tried_again(target: AlertTarget) -> None:
    first, receiver = make_message(target), Receiver(answers=REFUSED)
    assert receiver.deliver(target) is None
    assert (outcome(first), first.error) == ("refused", "It answered 404: no such hook")
    assert state(target)[0] == "refused"
    assert not Told.objects.exists()


def test_five_refused_in_a_row_pause_a_target(target: AlertTarget) -> None:
    messages = [make_message(target) for _ in range(7)]
    incident = messages[0].incident
    assert incident is not None
    receiver = Receiver(answers=repeat(REFUSED))
    assert receiver.deliver(target) == T + 24 * HOUR
    assert [outcome(message) for message in messages] == ["refused"] * 5 + [""] * 2
    assert state(target)[0] == "paused"
    incident.refresh_from_db()
    assert incident.look_at == T


def test_one_that_is_accepted_ends_the_row(target: AlertTarget) -> None:
    for _ in range(9):
        make_message(target)
    Receiver(T, iter([REFUSED] * 4 + [ACCEPTED] + [REFUSED] * 4)).deliver(target)
    assert state(target)[0] == "refused"


def test_a_target_that_is_gone_is_paused_at_once(target: AlertTarget) -> None:
    make_message(target)
    Receiver(answers=Result(Outcome.GONE, "It answered 410:", 410)).deliver(target)
    assert state(target)[0] == "paused"


def test_a_paused_target_is_sent_nothing_and_its_messages_end_after_a_day(target: AlertTarget) -> None:
    AlertTarget.objects.update(enabled=False)
    message, receiver = make_message(target), Receiver()
    assert receiver.deliver(target) == T + 24 * HOUR
    assert receiver.deliver(target, T + 24 * HOUR) is None
    assert (receiver.sent, outcome(message)) == ([], "dead")


def test_a_receiver_says_when_to_come_again(target: AlertTarget) -> None:
    make_message(target)
    busy = Result(Outcome.FAILED, "It answered 429: slow", 429, retry_after=90, away=True)
    assert Receiver(answers=busy).deliver(target) == T + 90 * SECOND


@pytest.mark.parametrize(("asked", "waited"), [(1, 5), (7200, 3600)])
def test_it_is_asked_neither_sooner_than_usual_nor_later_than_in_an_hour(
    target: AlertTarget, asked: float, waited: float
) -> None:
    make_message(target)
    busy = Result(Outcome.FAILED, "", 503, retry_after=asked)
    assert Receiver(answers=busy).deliver(target) == T + waited * SECOND


def test_one_message_that_breaks_its_receiver_keeps_none_of_another_incident_waiting(
    target: AlertTarget,
) -> None:
    broken, other = make_message(target), make_message(target, at=T + SECOND)
    assert Receiver(T + SECOND, iter([BROKEN, ACCEPTED])).deliver(target) is not None
    assert (outcome(broken), outcome(other)) == ("", "accepted")


def test_where_nobody_answers_each_message_waits(target: AlertTarget) -> None:
    for _ in range(3):
        make_message(target)
    receiver = Receiver(answers=AWAY)
    assert receiver.deliver(target) == T + 5 * SECOND
    assert len(receiver.sent) == 1
    receiver.answers = ACCEPTED
    receiver.deliver(target, T + 5 * SECOND)
    assert len(receiver.sent) == 4


def test_a_day_without_success_ends_it_and_the_owners_are_told_once(target: AlertTarget) -> None:
    messages = [make_message(target), make_message(target)]
    receiver, at = Receiver(answers=AWAY), T
    while (again_at := receiver.deliver(target, at)) is not None:
        assert again_at <= T + 24 * HOUR
        at = again_at
    assert {outcome(message) for message in messages} == {"dead"}
    assert at == T + 24 * HOUR
    make_message(target, at=T + 30 * HOUR)
    receiver.deliver(target, T + 55 * HOUR)
    assert tasks("alerts.unreachable") == [{"target": target.pk}]


def test_a_fault_of_ours_is_tried_again(target: AlertTarget) -> None:
    message = make_message(target)

    def send(envelope: Envelope) -> Result:
        raise KeyError("fault")

    assert delivery.deliver(target.pk, send=send, now=lambda: T) == T + 5 * SECOND
    assert outcome(message) == ""
    assert message.error == "Lookout could not send it: KeyError"


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


def tasks(name: str) -> list[dict[str, int]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT args FROM procrastinate_jobs WHERE task_name = %s ORDER BY id", [name])
        return [json.loads(args) for (args,) in cursor.fetchall()]


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
