"""How many examples hypothesis tries: few in the usual run, many by HYPOTHESIS_PROFILE=thorough."""

from __future__ import annotations

import os
from typing import Final, TypeVar

from hypothesis import HealthCheck, settings

THOROUGH: Final = "thorough"
PROFILES: Final = {"quick": 10, THOROUGH: 100}  # examples of a test that does not choose
SHARE: Final = 10  # of a thorough run's examples, one in so many is tried in a quick one
CHOSEN: Final = os.environ.get("HYPOTHESIS_PROFILE", "quick")

T = TypeVar("T")


def load_profile() -> None:
    """Load the chosen profile, without a deadline: the first example is slow, and the machine may be busy."""
    for name, number in PROFILES.items():
        settings.register_profile(
            name,
            max_examples=number,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
            derandomize="CI" in os.environ,
        )
    settings.load_profile(CHOSEN)


def examples(thorough: int) -> int:
    """The number of examples of a test that tries `thorough` of them in a thorough run."""
    return thorough if CHOSEN == THOROUGH else max(2, thorough // SHARE)


def in_turn(values: tuple[T, ...], turn: int) -> tuple[T, ...]:
    """All values in a thorough run, else one in SHARE of them, which `turn` (any number) selects."""
    return values if CHOSEN == THOROUGH else values[turn % SHARE :: SHARE]
