"""Whatever receivers do and whenever: each message ends, in order, and what is newest arrives."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from devices.alerts.transports.envelope import Outcome, Result
from devices.models import AlertMessage, Told
from tests.devices.alerts.sending import ACCEPTED, AWAY, Receiver, make_incident, make_message, make_target
from tests.examples import examples

pytestmark = pytest.mark.django_db

FAILED = Result(Outcome.FAILED, "It answered 500: oh", 500)
REFUSED = Result(Outcome.REFUSED, "It answered 400: no", 400)
INCIDENTS = 2
WRITE = st.tuples(st.just("write"), st.integers(0, INCIDENTS - 1))
DELIVER = st.tuples(st.just("deliver"), st.sampled_from([ACCEPTED, ACCEPTED, AWAY, FAILED, REFUSED]))
WAIT = st.tuples(st.just("wait"), st.integers(1, 4000))


@pytest.mark.thorough
@example(steps=[("write", 0), ("deliver", FAILED), ("write", 0), ("deliver", ACCEPTED)])
@example(
    steps=[("write", 0), ("write", 1), ("deliver", AWAY), ("write", 1), ("wait", 30), ("deliver", ACCEPTED)]
)
@given(steps=st.lists(WRITE | DELIVER | WAIT, min_size=4, max_size=40))
@hypothesis_settings(max_examples=examples(200))
def test_order_and_superseding(steps: Sequence[tuple[str, object]]) -> None:
    target = make_target("webhook")
    incidents = [make_incident(target.organization) for _ in range(INCIDENTS)]
    numbers = [0] * INCIDENTS
    receiver = Receiver()
    taken: list[AlertMessage] = []
    for step, value in steps:
        receiver.at += timedelta(milliseconds=1)
        if step == "write":
            place = int(str(value))
            numbers[place] += 1
            kind = "first" if numbers[place] == 1 else "update"
            make_message(target, incidents[place], numbers[place], kind, at=receiver.at)
        elif step == "wait":
            receiver.at += timedelta(seconds=int(str(value)))
        else:
            assert isinstance(value, Result)
            receiver.answers, before = value, len(receiver.sent)
            receiver.deliver(target)
            if value == ACCEPTED:
                taken += [envelope.message for envelope in receiver.sent[before:]]
    receiver.answers, before = ACCEPTED, len(receiver.sent)
    while (again_at := receiver.deliver(target)) is not None:
        receiver.at = again_at
    taken += [envelope.message for envelope in receiver.sent[before:]]
    for incident in incidents:
        holds(list(AlertMessage.objects.filter(incident=incident).order_by("number")), taken)


def holds(messages: Sequence[AlertMessage], taken: Sequence[AlertMessage]) -> None:
    """What must hold of the messages about one incident, of which the receiver took some, in this order."""
    mine = [one.number for one in taken if one.incident_id in {message.incident_id for message in messages}]
    assert mine == sorted(set(mine))  # none twice, none after a newer one
    assert [message.number for message in messages if message.outcome == "accepted"] == mine
    for message in messages:
        assert message.outcome
        if message.outcome == "superseded":
            assert message.superseded_by is not None
            assert message.superseded_by.number > message.number
    if mine:
        assert Told.objects.get(incident=messages[0].incident_id).number == mine[-1]
