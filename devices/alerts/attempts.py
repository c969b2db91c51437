"""When a message is tried again, and when it is given up."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import random
from typing import Final

PAUSES: Final = (5.0, 30.0, 120.0, 600.0, 1800.0)  # seconds after the first attempts that failed
LATER: Final = 3600.0  # seconds after each further one,
SPREAD: Final = 0.1  # give or take this share of it, so that not all come back at once
LONGEST_ASKED: Final = 3600.0  # seconds that a receiver may ask us to wait
GIVE_UP: Final = timedelta(hours=24)  # after a message was written


def next_at(attempts: int, at: datetime, retry_after: float | None = None) -> datetime:
    """When to try again after so many attempts, of which the last failed at this moment.

    `retry_after` are the seconds that the receiver asked for; it is never tried earlier than by itself.
    """
    if attempts <= len(PAUSES):
        pause = PAUSES[max(0, attempts - 1)]
    else:
        pause = LATER * (1 + SPREAD * (2 * random() - 1))
    return at + timedelta(seconds=max(pause, min(retry_after or 0.0, LONGEST_ASKED)))
