"""Real workers that are killed while they deliver: nothing is lost, and what comes twice has the same id."""

from __future__ import annotations

import subprocess
import threading
from collections import Counter
from collections.abc import Callable

import pytest
from django.db import connection

from devices import clock
from devices.alerts import handing, targets
from devices.alerts.target_values import Wanted
from devices.models import AlertMessage, AlertTarget, Told
from tests.devices.alerts.receivers import Call, Reply, WebReceiver
from tests.devices.alerts.sending import make_message, make_target, outcome
from tests.factories import make_organization
from tests.worker import IMPATIENT, PATIENCE, a_worker, start_worker, wait_until

pytestmark = pytest.mark.django_db(transaction=True)

# A worker that may call loopback, notices soon that another one died, and whose leases are short.
WORK = f"""
import os
os.environ.update(TARGETS_PLAIN="1", TARGETS_PRIVATE="127.0.0.0/8")
{IMPATIENT}
from datetime import timedelta
from devices.alerts import lane
lane.LEASE = timedelta(seconds=3)
asyncio.run(worker.work())
"""


@pytest.fixture
def target(web: WebReceiver) -> AlertTarget:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")
    wanted = Wanted(kind=AlertTarget.Kind.WEBHOOK, name="Ops", values={"url": web.url})
    return targets.create(organization=make_organization(), wanted=wanted, actor=None)[0]


def write(target: AlertTarget, number: int) -> list[AlertMessage]:
    """So many messages about as many incidents, handed over."""
    at = clock.now()
    messages = [make_message(target, at=at) for _ in range(number)]
    handing.hand_over(messages, at)
    return messages


def unsent() -> int:
    return AlertMessage.objects.filter(outcome="").count()


def ids(web: WebReceiver) -> Counter[str]:
    return Counter(call.headers["webhook-id"] for call in web.calls)


@pytest.mark.thorough
def test_a_worker_delivers(web: WebReceiver, target: AlertTarget) -> None:
    messages = write(target, 2)
    with a_worker("-c", WORK):
        wait_until(lambda: not unsent())
        messages += write(target, 1)
        wait_until(lambda: not unsent())
    assert ids(web) == Counter(str(message.uuid) for message in messages)
    assert Told.objects.count() == 3


@pytest.mark.thorough
def test_one_killed_between_acceptance_and_record(web: WebReceiver, target: AlertTarget) -> None:
    """The receiver has it, and nobody here knows: it comes once more, with the same id."""
    running: list[subprocess.Popen[bytes]] = []
    kill_at = {1, 4}  # calls

    def answer(call: Call) -> Reply:
        if len(web.calls) in kill_at:
            running[-1].kill()
            running[-1].wait(PATIENCE)
        return Reply()

    web.answer = answer
    messages = write(target, 3)
    for _ in kill_at:
        running.append(start_worker("-c", WORK))
        wait_until(ended(running[-1]))
    with a_worker("-c", WORK):
        wait_until(lambda: not unsent())
    counted = ids(web)
    assert set(counted) == {str(message.uuid) for message in messages}
    assert sum(counted.values()) - len(messages) <= len(kill_at)
    assert set(AlertMessage.objects.values_list("outcome", flat=True)) == {"accepted"}


def ended(process: subprocess.Popen[bytes]) -> Callable[[], bool]:
    return lambda: process.poll() is not None


@pytest.mark.thorough
def test_a_receiver_that_does_not_answer_keeps_no_other_waiting(
    web: WebReceiver, target: AlertTarget
) -> None:
    other = make_target("slack", target.organization, {"url": f"{web.url}/other"})
    released = threading.Event()

    def answer(call: Call) -> Reply:
        if call.path != "/other":
            released.wait(PATIENCE)
        return Reply()

    web.answer = answer
    (slow,), (quick,) = write(target, 1), write(other, 1)
    with a_worker("-c", WORK):
        wait_until(lambda: outcome(quick) == "accepted")
        assert outcome(slow) == ""
        released.set()
        wait_until(lambda: outcome(slow) == "accepted")


@pytest.mark.thorough
def test_what_was_never_handed_over_is_found(web: WebReceiver, target: AlertTarget) -> None:
    message = make_message(target, at=clock.now())
    with a_worker("-c", WORK):
        wait_until(lambda: not unsent())
    assert ids(web) == Counter([str(message.uuid)])
