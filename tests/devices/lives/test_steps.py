"""Random lives of devices while the database's clock is set forward and back, against the model.

A step changes no status, and once a clock that was ahead is back nothing is dated ahead of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from django.db import transaction
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from devices import connectivity
from devices.clock.own import OwnClock
from devices.connectivity import outages
from devices.history import rollups
from devices.integrity.checks import disagreements
from devices.models import Device
from devices.status.reading import with_status
from tests.devices.lives.events import INTERVALS, Event, devices, events, make, short_passes, tell
from tests.devices.lives.model import Model
from tests.devices.lives.test_lives import (
    Seen,
    check,
    check_history,
    check_replay,
    check_then,
    remember,
)
from tests.examples import examples
from tests.factories import T0, seconds

pytestmark = pytest.mark.django_db(transaction=False)

DAY = 86400
# Seconds that somebody sets the clock by after an event, if at all; both sides of what is an outage.
JUMPS = st.sampled_from([0, 0, 0, 3, 8, 60, 3600, DAY, -3, -8, -30, -600, -DAY])


@dataclass
class Life:
    """The model, and a process of the ingest with its own clock, which only time moves."""

    model: Model
    now: datetime
    passed: float = 0

    def __post_init__(self) -> None:
        self.own = OwnClock(lambda: self.passed)
        self.leave_sign()

    def leave_sign(self, *, skipped: bool = False) -> None:
        self.model.leave_sign(self.now, skipped=skipped)
        outages.record_liveness(self.now, self.own)

    def let_pass(self, span: float, *, listens: bool) -> None:
        """Time, with a liveness sign every few seconds, as long as nobody is away."""
        while listens and span > 5:
            self.let_pass(5, listens=False)
            self.leave_sign()
            span -= 5
        self.now, self.passed = self.now + seconds(span), self.passed + span
        if self.model.heard(self.now) == self.now:
            self.leave_sign()  # whoever receives an event is there

    def jump(self, by: int) -> None:
        """Somebody sets the clock while the ingest runs, and all that has passed is recorded."""
        self.leave_sign()
        self.model.pass_until(self.now)
        connectivity.settle(self.now)
        before = statuses()
        self.now = max(T0, self.now + seconds(by))
        if by > 0:
            self.leave_sign(skipped=True)
        else:
            outages.record_liveness(self.now, self.own)
            assert self.model.last_sign_at is not None
            if (self.model.last_sign_at - self.now).total_seconds() > 2:  # less will have passed in a moment
                self.model.set_back(self.now)
            else:
                self.now = self.model.last_sign_at
        assert statuses(self.now) == before


def statuses(at: datetime | None = None) -> dict[str, str]:
    """What every device is recorded to be, or is at that moment."""
    if at is None:
        return dict(Device.objects.values_list("uuid", "recorded_status"))
    return {device.uuid: device.status for device in with_status(Device.objects.all(), at)}


@given(
    fields=st.lists(devices, min_size=4, max_size=4),
    lives=st.lists(st.tuples(events, JUMPS), min_size=1, max_size=12),
    interval=INTERVALS,
)
@hypothesis_settings(max_examples=examples(10))
def test_whatever_the_clock_does_every_reading_agrees_with_the_model(
    fields: list[dict[str, Any]], lives: list[tuple[Event, int]], interval: int
) -> None:
    with transaction.atomic(), pytest.MonkeyPatch.context() as context:
        context.setattr(rollups, "EVERY", seconds(60))  # a life is short
        short_passes(context)
        life, seen = Life(make(fields, interval=interval), T0), Seen()
        for event, jump in lives:
            life.let_pass(event.step, listens=event.sign)
            tell(life.model, event, life.now)
            check(life.model, life.now)
            remember(seen, life.now)
            if jump:
                life.jump(jump)
                seen = Seen({key: said for key, said in seen.items() if key[0] < life.now})
                check(life.model, life.now)
                remember(seen, life.now)
        check_history(life.model, life.now)
        rollups.rebuild(life.now)
        check(life.model, life.now)
        check_replay(life.model, seen, life.now)
        check_then(life.model, seen, life.now, 2)
        assert list(disagreements(life.now)) == []
        transaction.set_rollback(True)
