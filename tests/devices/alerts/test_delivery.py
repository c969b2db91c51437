"""Delivery: each message ends, in order, by what its receiver answers; the clock is in the test's hands."""

from __future__ import annotations

from itertools import repeat

import pytest

from devices.alerts import delivery
from devices.alerts.transports.envelope import Envelope, Outcome, Result
from devices.models import AlertTarget, Told
from tests.devices.alerts.sending import (
    ACCEPTED,
    AWAY,
    BROKEN,
    HOUR,
    MINUTE,
    REFUSED,
    SECOND,
    Receiver,
    T,
    make_message,
    outcome,
    state,
    tasks,
)

pytestmark = pytest.mark.django_db


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
