"""The ingest leaves liveness signs as long as it runs, and closes an outage when it comes back."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from typing import TypeVar

import pytest

from devices import clock
from devices.connectivity import heartbeats, outages
from devices.connectivity.ingest_processes import ask_for_signs
from devices.ingest.app import Ingest
from devices.ingest.liveness import Liveness
from devices.ingest.native.calls import CALLS
from devices.ingest.unrecorded import Unrecorded
from devices.models import Listening, Outage
from tests.devices.ingest.client import Client
from tests.devices.ingest.raw import unlimited
from tests.devices.ingest.server import serving
from tests.devices.ingest.world import World

PATIENCE = 20.0  # seconds
Found = TypeVar("Found")


def until(look: Callable[[], Found | None]) -> Found:
    began = time.monotonic()
    while (found := look()) is None:
        assert time.monotonic() - began < PATIENCE
        time.sleep(0.05)
    return found


def test_a_process_of_the_ingest_leaves_liveness_signs_on_and_on(client: Client) -> None:
    first = until(Listening.objects.first)
    until(Listening.objects.filter(pulse_at__gt=first.pulse_at).first)
    assert not Outage.objects.exists()


def test_it_leaves_one_at_once_where_it_is_asked_for_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outages, "LIVENESS_EVERY", 10 * PATIENCE)
    with serving(Ingest(CALLS, unlimited())):
        for _ in range(3):
            last = until(Listening.objects.first).pulse_at
            ask_for_signs()
            until(Listening.objects.filter(pulse_at__gt=last).first)


def test_one_that_comes_back_closes_the_outage_before_its_sign(world: World) -> None:
    gone = clock.now() - timedelta(hours=1)
    outages.record_liveness(gone)
    with serving(Ingest(CALLS, unlimited())):
        until(Listening.objects.filter(pulse_at__gt=gone).first)
        assert Outage.objects.get().began_at == gone


@pytest.mark.django_db
def test_a_poll_is_rehearsed_where_none_was_recorded_since_the_sign_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rehearsed = list[object]()
    monkeypatch.setattr(heartbeats, "rehearse", rehearsed.append)
    liveness = Liveness(lambda: 0.0, Unrecorded())
    liveness.polled()
    assert liveness._work()
    assert rehearsed == []
    liveness._left_at = time.monotonic()
    assert liveness._work()
    assert len(rehearsed) == 1
    liveness._presence.end()


def test_what_is_done_after_an_outage_leaves_nine_tenths_of_the_time_to_polls_that_wait() -> None:
    waits = 0.0
    liveness = Liveness(lambda: waits, Unrecorded())
    assert liveness._pause(0.02) == 0
    waits = 0.01
    assert liveness._pause(0.02) == pytest.approx(0.18)
    assert liveness._pause(5) == outages.LIVENESS_EVERY  # less than what makes an outage


@pytest.mark.parametrize("said", [None, {"release": "1.2"}], ids=["alone", "with a report"])
def test_a_poll_that_is_recorded_is_noted(world: World, said: dict[str, str] | None) -> None:
    ingest = Ingest(CALLS, unlimited())
    with serving(ingest) as port, closing(Client(port)) as client:
        noted = ingest.liveness._polled_at
        assert client.call("POST", "heartbeat", "nonsense" * 6, said).status == 401
        assert client.call("PATCH", "report", world.device_key, {"release": "1.1"}).status == 204
        assert ingest.liveness._polled_at == noted
        assert client.call("POST", "heartbeat", world.device_key, said).status == 200
        assert ingest.liveness._polled_at > noted
