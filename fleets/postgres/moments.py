"""Reading moments and days from text that comes from outside, such as addresses and cursors."""

from __future__ import annotations

from datetime import UTC, date, datetime, tzinfo
from typing import Final

# Far enough from the limits of Python and PostgreSQL that any time zone or duration can be added.
FIRST: Final = datetime(1900, 1, 1, tzinfo=UTC)
LAST: Final = datetime(9000, 1, 1, tzinfo=UTC)


def read(text: str, zone: tzinfo | None = None, *, fold: int = 0) -> datetime | None:
    """The moment of an ISO 8601 text, in UTC; None if it is no moment from FIRST to before LAST.

    A text without an offset is a time in `zone`, and no moment if `zone` is None. Where clocks that go back
    make it two moments, it is the first, or the second if `fold` is 1. The result is in UTC because
    PostgreSQL accepts fewer offsets than Python.
    """
    try:
        parsed = datetime.fromisoformat(text)
        if parsed.tzinfo is None and zone:
            parsed = parsed.replace(tzinfo=zone, fold=fold)
        moment = parsed.astimezone(UTC) if parsed.tzinfo else None
    except (ValueError, OverflowError):
        return None
    return moment if moment and FIRST <= moment < LAST else None


def day(text: str) -> date | None:
    """The day of an ISO 8601 text such as 2026-11-24; None if it is no day from FIRST to before LAST."""
    try:
        parsed = date.fromisoformat(text)
    except ValueError:
        return None
    return parsed if FIRST.date() <= parsed < LAST.date() else None
