"""Which message follows from what a target knows and what is so now."""

from __future__ import annotations

from datetime import timedelta

import pytest

from devices.alerts.decision import Known, Now, decide, grown
from devices.models import Told
from tests.factories import T0

State = Told.State
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def known(
    state: Told.State = State.FIRING, members: int = 12, rank: int = 1, *, delivered: bool = True
) -> Known:
    return Known(state, members, rank, T0, delivered)


def now(**values: object) -> Now:
    usual = {"over": False, "members": 12, "rank": 1, "acknowledged": False, "tell_at": T0}
    return Now(**usual | values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("before", "is_now", "after", "kind", "reason"),
    [
        # Nothing was told.
        (None, now(), MINUTE, "first", "fired"),
        (None, now(over=True), MINUTE, None, ""),
        (None, now(tell_at=T0 + 2 * MINUTE), MINUTE, None, ""),  # it gathers
        (None, now(tell_at=T0 + MINUTE), MINUTE, "first", "fired"),
        (None, now(tell_at=T0 + 2 * MINUTE, members=49), MINUTE, None, ""),
        (None, now(tell_at=T0 + 2 * MINUTE, members=50), MINUTE, "first", "fired"),
        # It grows by five, or by a fifth of many; five minutes apart.
        (known(), now(members=16), 5 * MINUTE, None, ""),
        (known(), now(members=17), 5 * MINUTE, "update", "grew"),
        (known(), now(members=17), 5 * MINUTE - timedelta(seconds=1), None, ""),
        (known(members=100), now(members=119), 5 * MINUTE, None, ""),
        (known(members=100), now(members=120), 5 * MINUTE, "update", "grew"),
        (known(), now(members=3), 5 * MINUTE, None, ""),  # fewer are no news
        # It becomes worse: Offline is 0.
        (known(), now(rank=0), 5 * MINUTE, "update", "worse"),
        (known(rank=0), now(), 5 * MINUTE, None, ""),
        # Reminders, only where a rule asks for them.
        (known(), now(), 24 * HOUR, None, ""),
        (known(), now(repeat=HOUR), HOUR - MINUTE, None, ""),
        (known(), now(repeat=HOUR), HOUR, "reminder", "still"),
        # Acknowledged: told once, then quiet.
        (known(), now(acknowledged=True), MINUTE, "acknowledged", "taken-on"),
        (known(State.ACKNOWLEDGED), now(acknowledged=True, members=99, repeat=HOUR), HOUR, None, ""),
        (known(State.ACKNOWLEDGED), now(members=31), MINUTE, "update", "outgrown"),
        (known(State.ACKNOWLEDGED), now(), MINUTE, "update", "open-again"),
        # Over.
        (known(), now(over=True), MINUTE, "resolved", "resolved"),
        (known(State.ACKNOWLEDGED), now(over=True), MINUTE, "resolved", "resolved"),
        (known(), now(over=True, tells_recovery=False), MINUTE, None, ""),
        (known(delivered=False), now(over=True), MINUTE, None, ""),  # it never knew
        (known(State.RESOLVED), now(over=True), MINUTE, None, ""),
        (known(State.RESOLVED), now(members=99), MINUTE, None, ""),
    ],
)
def test_what_is_told(
    before: Known | None, is_now: Now, after: timedelta, kind: str | None, reason: str
) -> None:
    decision = decide(before, is_now, T0 + after)
    assert (decision.kind, decision.reason) == (kind, reason)


@pytest.mark.parametrize(
    ("before", "is_now", "again_after"),
    [
        (None, now(tell_at=T0 + 2 * MINUTE), 2 * MINUTE),
        (known(), now(members=17), 5 * MINUTE),
        (known(), now(repeat=HOUR), HOUR),
        (known(), now(), None),
        (known(), now(over=True, tells_recovery=False), None),
    ],
)
def test_when_to_ask_again(before: Known | None, is_now: Now, again_after: timedelta | None) -> None:
    again_at = decide(before, is_now, T0 + timedelta(seconds=1)).again_at
    assert again_at == (None if again_after is None else T0 + again_after)


@pytest.mark.parametrize(
    ("before", "after", "yes"), [(1, 5, False), (1, 6, True), (26, 31, False), (26, 32, True)]
)
def test_grown(before: int, after: int, *, yes: bool) -> None:
    assert grown(before, after) is yes
