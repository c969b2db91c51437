"""Moments that come from outside: addresses, cursors, words of the audit log."""

from __future__ import annotations

from datetime import UTC, date, datetime, tzinfo
from typing import Final

# Far from the first and the last moment that Python and PostgreSQL know: every zone and every span fits.
FIRST: Final = datetime(1900, 1, 1, tzinfo=UTC)
LAST: Final = datetime(9000, 1, 1, tzinfo=UTC)


def read(text: str, zone: tzinfo | None = None, *, fold: int = 0) -> datetime | None:
    """The moment that an ISO 8601 text names, in UTC; None where it names none between FIRST and LAST.

    PostgreSQL takes fewer offsets than Python, so that none of them goes on. Without an offset the text is
    a time of `zone`, and names no moment if that is None; of two such moments, in the night the clocks go
    back, the first one, or the second one where `fold` is 1.
    """
    try:
        named = datetime.fromisoformat(text)
        if named.tzinfo is None and zone:
            named = named.replace(tzinfo=zone, fold=fold)
        moment = named.astimezone(UTC) if named.tzinfo else None
    except (ValueError, OverflowError):
        return None
    return moment if moment and FIRST <= moment < LAST else None


def day(text: str) -> date | None:
    """The day that a text as 2026-11-24 names; None where it names none between FIRST and LAST."""
    try:
        named = date.fromisoformat(text)
    except ValueError:
        return None
    return named if FIRST.date() <= named < LAST.date() else None
