"""Counts by status as of a past minute, beside the present ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from devices import words
from devices.rules.vocabulary import Status


@dataclass(frozen=True)
class Difference:
    """The number of devices with a status as of a minute, and at present (None: not counted)."""

    status: Status
    as_of: int
    now: int | None

    @property
    def words(self) -> str:
        """The change since the minute, as "+12"; "" if there is none or it is unknown."""
        return signed(self.now - self.as_of) if self.now is not None and self.now != self.as_of else ""


def signed(number: int) -> str:
    """A number with its sign in front, as "+12"."""
    return f"{'+' if number > 0 else '−'}{words.thousands(abs(number))}"  # noqa: RUF001  a minus


def differences(counts_as_of: Mapping[Status, int], now: Mapping[Status, int] | None) -> list[Difference]:
    """The counts as of a minute beside the present ones, for each shown status in its order."""
    return [Difference(status, n, now[status] if now else None) for status, n in counts_as_of.items()]
