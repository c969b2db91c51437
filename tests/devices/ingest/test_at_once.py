"""Polls that a server need not make tasks of: those that are steady, within the limits of all calls."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from devices.ingest.app import Ingest
from devices.ingest.rate_limits import RateLimits, Size
from devices.models import ApiKey
from tests.devices.ingest import raw
from tests.devices.ingest.client import Client
from tests.devices.ingest.world import World, write


def test_a_server_answers_a_steady_poll_without_a_task(
    polling: World, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By uvicorn's own method that begins a task, which an upgrade may rename."""
    write("UPDATE devices_device SET public_address = '127.0.0.1'")
    tasks: list[str] = []
    began = Ingest.__call__

    async def begin(app: Ingest, scope: Any, receive: Any, send: Any) -> None:
        tasks.append(scope["path"])
        await began(app, scope, receive, send)

    monkeypatch.setattr(Ingest, "__call__", begin)
    answers = [client.call("POST", "heartbeat", polling.device_key) for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 200]
    assert tasks == []
    write("UPDATE devices_heartbeat SET due_at = NULL")  # lost
    assert client.call("POST", "heartbeat", polling.device_key).status == 200
    assert tasks == ["/api/v1/heartbeat"]


def test_a_poll_that_is_taken_counts_as_a_call_of_its_key(polling: World) -> None:
    async def work(app: Ingest) -> list[int]:
        calls = [await raw.heartbeat(app, polling.device_key) for _ in range(4)]
        return [answer.status for answer in calls]

    limits = RateLimits(dict.fromkeys(ApiKey.Kind, Size(rate=0.001, burst=3)))
    assert raw.run(work, limits) == [200, 200, 200, 429]


def test_so_many_polls_of_a_key_may_be_open_at_once(polling: World) -> None:
    async def work(app: Ingest) -> list[int]:
        with raw.another_connection() as other:
            other.execute("SELECT FROM devices_heartbeat FOR UPDATE")
            polls = [asyncio.create_task(raw.heartbeat(app, polling.device_key)) for _ in range(9)]
            answered, _ = await asyncio.wait(polls, return_when=asyncio.FIRST_COMPLETED)
            assert [poll.result().status for poll in answered] == [429]
        return sorted(answer.status for answer in await asyncio.gather(*polls))

    assert raw.run(work) == [200] * 8 + [429]


FAILURES = ("at_once.caller", "at_once.counters.call_answered", "native.calls.polled")


@pytest.mark.parametrize("failing", FAILURES)
def test_whatever_fails_each_caller_gets_an_answer(
    polling: World, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    """Another one than of errors only where the poll cannot be answered in the usual way either."""

    def fail(*_: Any) -> None:
        raise RuntimeError("no")

    async def work(app: Ingest) -> list[int]:
        calls = [await raw.heartbeat(app, polling.device_key) for _ in range(9)]  # more than may be open
        return [answer.status for answer in calls]

    monkeypatch.setattr(f"devices.ingest.{failing}", fail)
    assert raw.run(work) == [500 if failing == "native.calls.polled" else 200] * 9
