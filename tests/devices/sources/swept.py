"""Sweeping in tests: at moments after that of the recording."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from devices.models import Source
from devices.sources.sweep import Outcome, sweep

AT = datetime(2026, 11, 29, 22, 26, 16, tzinfo=UTC)  # when it was recorded


def swept(source: Source, after: float = 0, **options: Any) -> Outcome:
    """Sweep so many seconds after AT, and expect it to succeed."""
    source.refresh_from_db()
    outcome = sweep(source, at=AT + timedelta(seconds=after), **options)
    assert outcome.error == ""
    source.refresh_from_db()
    return outcome
