"""The two folded lines of the Attention page: devices lost a moment ago, and devices whose links flap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dashboard.pages.attention.items import name_of
from devices.clock import Moment
from devices.history.flapping import changing_often, most_changing
from devices.listing.among import Among
from devices.listing.grouping import Lost
from devices.rules.vocabulary import LAST_ATTENTION_RANK
from devices.status.reading import as_recorded, with_status

NAMED: Final = 12  # devices that a folded line names; the others are counted


@dataclass(frozen=True)
class Flapping:
    """A device with a link that changes often.

    `link` names the link that changes most, `changes` is the number of its changes within the last hour.
    """

    id: int
    uuid: str
    name: str
    status: str
    link: str
    changes: int
    attended: bool  # it needs attention at the moment, and is counted among these devices


@dataclass(frozen=True)
class Young:
    """A device that has needed attention for less than a minute."""

    uuid: str
    name: str
    status: str


@dataclass(frozen=True)
class Folded:
    """Both folded lines: the number of devices of each, and up to NAMED of them by name."""

    young_number: int
    young: tuple[Young, ...]
    flapping_number: int
    flapping: tuple[Flapping, ...]
    connected: int  # flapping devices that need no attention at the moment

    @property
    def any(self) -> bool:
        """Whether one of both lines is shown."""
        return bool(self.young_number or self.flapping_number)

    @property
    def young_more(self) -> int:
        """The number of devices in `young_number` that are not named."""
        return self.young_number - len(self.young)

    @property
    def flapping_more(self) -> int:
        """The number of devices in `flapping_number` that are not named."""
        return self.flapping_number - len(self.flapping)


def folded(young: Sequence[Lost], flapping: Sequence[Flapping]) -> Folded:
    """The folded lines of these devices, which are in the order in which they are shown."""
    return Folded(
        young_number=len(young),
        young=tuple(Young(device.uuid, name_of(device), device.status) for device in young[:NAMED]),
        flapping_number=len(flapping),
        flapping=tuple(flapping[:NAMED]),
        connected=sum(not device.attended for device in flapping),
    )


def flapping(among: Among, at: Moment, moved: Sequence[int]) -> list[Flapping]:
    """The devices whose links change often, those that change most first, whether they need attention or not.

    `moved`: primary keys of devices whose recorded links are out of date (`moved_ids`).
    At most three queries, and one if no link changes often.
    """
    ids = changing_often([organization.pk for organization in among.organizations], at.at)
    if not ids:
        return []
    annotated = with_status if moved else as_recorded
    devices = list(annotated(among.devices.filter(pk__in=ids), at))
    changes = most_changing(devices, at.at)
    rows = [
        Flapping(
            id=device.pk,
            uuid=device.uuid,
            name=device.name or device.short_uuid,
            status=device.status,
            link=changes[device.pk][1],
            changes=changes[device.pk][0],
            attended=device.rank <= LAST_ATTENTION_RANK,
        )
        for device in devices
        if device.pk in changes
    ]
    return sorted(rows, key=lambda device: (-device.changes, device.name, device.id))
