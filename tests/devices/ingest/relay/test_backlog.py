"""What waits to be written: in order, bounded, and never at the expense of a call."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from devices.connectivity import outages
from devices.ingest import liveness
from devices.ingest.http import NoDatabase
from devices.ingest.relay import backlog
from devices.ingest.relay.backlog import Backlog, Seen
from devices.ingest.relay.observations import Poll, Report, ServerSign


@dataclass
class Written:
    """A writer that keeps what it is given, and refuses as often as it is told."""

    batches: list[list[Seen]] = field(default_factory=list)
    lost: dict[int, int] = field(default_factory=dict)
    away: int = 0
    failed: dict[int, int] = field(default_factory=dict)

    def __call__(self, batch: Sequence[Seen], lost: dict[int, int]) -> dict[int, int]:
        if self.away:
            self.away -= 1
            raise NoDatabase
        self.batches.append(list(batch))
        for source, number in lost.items():
            self.lost[source] = self.lost.get(source, 0) + number
        return self.failed


def poll(number: int) -> Seen:
    return Seen(1, Poll(f"{number:032x}", None, ""))


def test_contacts_are_written_together_and_all_else_one_by_one_in_order() -> None:
    written = Written()
    report, sign = Seen(2, Report("a" * 32, {})), Seen(1, ServerSign(1))

    async def run() -> None:
        waiting = Backlog(written)
        for seen in (poll(1), report, sign, sign, poll(2)):
            waiting.add(seen)
        await waiting.stop()

    asyncio.run(run())
    assert written.batches == [[poll(1), report], [sign], [sign], [poll(2)]]


def test_what_waits_is_written_once_the_database_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "RETRY", 0.0)
    written = Written(away=3)

    async def run() -> None:
        waiting = Backlog(written)
        for number in range(1200):
            waiting.add(poll(number))
        await waiting.stop()

    asyncio.run(run())
    assert [seen for batch in written.batches for seen in batch] == [poll(number) for number in range(1200)]


def test_beyond_the_limit_observations_are_dropped_and_counted_and_the_time_is_not_observed() -> None:
    written = Written()

    async def run() -> None:
        waiting = Backlog(written, most=3)
        for number in range(3):
            waiting.add(poll(number))
        assert waiting.longest() < liveness.PATIENCE
        waiting.add(Seen(2, ServerSign(1)))
        waiting.add(poll(4))
        assert (len(waiting), waiting.longest()) == (3, math.inf)
        await waiting.stop()
        assert waiting.longest() == math.inf

    asyncio.run(run())
    assert written.batches == [[poll(0), poll(1), poll(2)]]
    assert written.lost == {1: 1, 2: 1}


def test_the_time_without_signs_is_long_enough_for_an_outage() -> None:
    assert backlog.UNOBSERVED >= 10 + outages.LIVENESS_EVERY


def test_what_cannot_be_written_counts_as_lost() -> None:
    written = Written(failed={1: 2})

    async def run() -> None:
        waiting = Backlog(written)
        waiting.add(poll(1))
        await waiting.write_all()
        assert waiting.longest() == math.inf
        written.failed = {}
        waiting.add(poll(2))
        await waiting.stop()

    asyncio.run(run())
    assert written.lost == {1: 2}


def test_at_the_end_a_process_does_not_wait_for_the_database_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(backlog, "LAST", 0.0)
    written = Written(away=10**6)

    async def run() -> None:
        waiting = Backlog(written)
        waiting.add(poll(1))
        await waiting.stop()

    asyncio.run(run())
    assert written.batches == []
