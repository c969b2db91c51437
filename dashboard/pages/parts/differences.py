"""Counts of then beside those of now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from devices import words
from devices.rules.vocabulary import Status


@dataclass(frozen=True)
class Difference:
    """How many were of a status then, and now; `now` None: that is not counted."""

    status: Status
    then: int
    now: int | None

    @property
    def words(self) -> str:
        """How many more or fewer there are now: "+12"; nothing where it is the same or unknown."""
        return signed(self.now - self.then) if self.now is not None and self.now != self.then else ""


def signed(number: int) -> str:
    return f"{'+' if number > 0 else '−'}{words.thousands(abs(number))}"  # noqa: RUF001  a minus


def differences(counts_as_of: Mapping[Status, int], now: Mapping[Status, int] | None) -> list[Difference]:
    """Each status as it is shown, in their order."""
    return [Difference(status, n, now[status] if now else None) for status, n in counts_as_of.items()]
