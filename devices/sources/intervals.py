"""The poll interval by which an openBalena counts the heartbeats of a device."""

from __future__ import annotations

import re
from typing import Final

from fleets.models import POLL_INTERVAL_MAX, POLL_INTERVAL_MIN

# Of the two names of this variable it counts by the older one alone, also where a supervisor prefers
# BALENA_SUPERVISOR_POLL_INTERVAL: its answers to polls always have the older one.
COUNTED: Final = "RESIN_SUPERVISOR_POLL_INTERVAL"


def seconds(value: str, least: int = POLL_INTERVAL_MIN) -> int | None:
    """The seconds of a value of COUNTED, in milliseconds, from `least` on; None: it is not a number."""
    if not re.fullmatch("[0-9]{1,12}", value):
        return None
    return min(POLL_INTERVAL_MAX, max(least, int(value) // 1000))
