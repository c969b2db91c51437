"""A clock that stands still in this process."""

from __future__ import annotations

from datetime import datetime

import pytest

from devices import clock
from devices.clock import Moment


def stand_still(monkeypatch: pytest.MonkeyPatch, at: datetime) -> None:
    """Let the present be `at` until the next call or the end of the test."""
    look_up = clock.moment

    def moment(asked: datetime | Moment | None = None) -> Moment:
        return look_up(asked or at)

    monkeypatch.setattr(clock, "now", lambda: at)
    monkeypatch.setattr(clock, "moment", moment)
