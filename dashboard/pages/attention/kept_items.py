"""What the Attention page shows of lines, kept for a moment: it is made again only of lines that changed.

It is valid as long as the line, the row that was read for it and the settings of its organizations are the
same, and for KEPT_FOR at most, as heartbeats change without a notification. The cache belongs to one process.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Generic, TypeVar

from devices.listing.grouping import Line
from devices.listing.kept_lines import KEPT_FOR

MOST: Final = 1_000
T = TypeVar("T")


@dataclass(frozen=True)
class Wanted:
    """A line, and what else decides what is shown of it.

    `number`: of its devices, with those that were not read. `settings`: a value that changes with those of
    its organizations; None: nothing may be kept. `version`: of the row that is read for it.
    """

    line: Line
    number: int
    settings: Hashable
    version: str

    def is_still(self, other: Wanted) -> bool:
        """Whether the same is shown of the other; lines are the same if they are one object."""
        mine, others = ((each.number, each.settings, each.version) for each in (self, other))
        return self.line is other.line and mine == others


class KeptItems(Generic[T]):
    """What was made of lines, by their ids, the newest MOST."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[Wanted, datetime, T]] = {}

    def made(
        self, wanted: Sequence[Wanted], at: datetime, make: Callable[[Sequence[Wanted]], Mapping[str, T]]
    ) -> dict[str, T]:
        """What is made of these lines at `at`, by their ids: by `make` for those of which nothing is kept."""
        known = {each.line.id: kept for each in wanted if (kept := self._of(each, at)) is not None}
        rest = [each for each in wanted if each.line.id not in known]
        new = make(rest) if rest else {}
        for each in rest:
            if each.settings is not None and each.line.id in new:
                self._kept.pop(each.line.id, None)
                self._kept[each.line.id] = each, at, new[each.line.id]
        while len(self._kept) > MOST:
            self._kept.pop(next(iter(self._kept)), None)
        return {**known, **new}

    def _of(self, wanted: Wanted, at: datetime) -> T | None:
        before, since, made = self._kept.get(wanted.line.id, (None, at, None))
        if before is None or wanted.settings is None or not before.is_still(wanted):
            return None
        return made if abs(at - since) < KEPT_FOR else None  # the clock may be set back
