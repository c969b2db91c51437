"""A line of the Attention page as it is shown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from dashboard.pages.parts.standing import Standing
from devices.words import thousands


@dataclass(frozen=True)
class Named:
    """A device that a line names."""

    uuid: str
    name: str
    status: str
    fleet_name: str


@dataclass(frozen=True)
class Next:
    """What follows if the devices of a line report nothing.

    With `status` and `at`: `number` devices get this status, the last of them at this moment, and `words` is
    the condition; `more` if other devices of the line have it already. Else `words` tells how long nothing
    changes.
    """

    words: str
    status: str = ""
    at: datetime | None = None
    number: int = 1
    more: bool = False


@dataclass(frozen=True)
class Single:
    """What is shown of a device alone."""

    uuid: str
    name: str
    status: str
    stalled_since: datetime | None
    public_address: str | None


@dataclass(frozen=True)
class Item:
    """A line as it is shown: a group of devices that were lost together, or one device, whose `row` is set.

    `what` is the sentence about a group, with the placeholder {devices}, or what follows a device's name.
    `place` words the devices of a group by what they share, with the same placeholder for their number.
    `fleet` (a slug, or "" for all fleets) and `query` are the address of the list of all its devices.
    `uuids` are those that its checkbox selects.
    """

    id: str
    number: int
    since: datetime
    counts: tuple[tuple[str, int], ...]  # status, or "" for stalled, and the number of its devices
    what: str
    next: Next
    fleets: tuple[tuple[str, str], ...]  # slug and name of at most one of its fleets
    fleet_number: int
    tags: tuple[str, ...]  # tags that all its devices have, at most TAGS
    uuids: tuple[str, ...] = ()
    row: Single | None = None
    because: str = ""
    named: tuple[Named, ...] = ()
    total: int | None = None  # devices that share it, lost or not; None: not shown
    place: str = ""
    fleet: str = ""
    query: tuple[tuple[str, str], ...] = ()
    standing: Standing | None = None  # its open incident

    @property
    def moments(self) -> Iterable[datetime | None]:
        """All moments that it shows as lasting for so long."""
        return (self.since, self.row.stalled_since if self.row else None)

    @property
    def sentence(self) -> str:
        """The sentence about what happened to its devices, without markup."""
        if self.row:
            return f"{self.row.name} {self.what}"
        devices = f"{thousands(self.number)} devices"
        if self.total is not None:
            devices = f"{thousands(self.number)} of {thousands(self.total)} devices"
        return self.what.replace("{devices}", self.place.replace("{devices}", devices))

    @property
    def others(self) -> int:
        """The number of devices besides the three that are named without opening the line."""
        return self.number - 3

    @property
    def more(self) -> int:
        """The number of devices that are not named at all."""
        return self.number - len(self.named)
