"""The folded lines of the Attention page: devices in trouble for less than a minute, and flapping devices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dashboard.pages.attention.items import name_of
from devices.clock import Moment
from devices.history.flapping import changing_often, most_changing
from devices.listing.grouping import Lost
from devices.listing.incidents import Among
from devices.rules.vocabulary import LAST_ATTENTION_RANK
from devices.status.reading import as_recorded, with_status

NAMED: Final = 12  # devices that a folded line names


@dataclass(frozen=True)
class Flapping:
    """A flapping device: the link that changes often, its changes within the hour, and the present status."""

    id: int
    uuid: str
    name: str
    status: str
    link: str
    changes: int
    attended: bool  # whether it is in trouble now, and so counted among those that need attention


@dataclass(frozen=True)
class Young:
    """A device in trouble for less than a minute."""

    uuid: str
    name: str
    status: str


@dataclass(frozen=True)
class Folded:
    """Both folded lines: the number of devices of each, and the first NAMED of them."""

    young_number: int
    young: tuple[Young, ...]
    flapping_number: int
    flapping: tuple[Flapping, ...]
    connected: int  # flapping devices that are in no trouble now

    @property
    def any(self) -> bool:
        return bool(self.young_number or self.flapping_number)

    @property
    def young_more(self) -> int:
        return self.young_number - len(self.young)

    @property
    def flapping_more(self) -> int:
        return self.flapping_number - len(self.flapping)


def folded(young: Sequence[Lost], flapping: Sequence[Flapping]) -> Folded:
    """The folded lines of these devices, in the order given."""
    return Folded(
        young_number=len(young),
        young=tuple(Young(device.uuid, name_of(device), device.status) for device in young[:NAMED]),
        flapping_number=len(flapping),
        flapping=tuple(flapping[:NAMED]),
        connected=sum(not device.attended for device in flapping),
    )


def flapping(among: Among, at: Moment, moved: Sequence[int]) -> list[Flapping]:
    """The flapping devices among these, in trouble or not, those with the most changes first.

    `moved` are the primary keys of devices with a deadline that passed unrecorded. One query if no device
    flaps, else three.
    """
    ids = changing_often([organization.pk for organization in among.organizations], at.at)
    if not ids:
        return []
    annotated = with_status if moved else as_recorded
    devices = list(annotated(among.devices.filter(pk__in=ids), at))
    changes = most_changing(devices, at.at)
    found = [
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
    return sorted(found, key=lambda device: (-device.changes, device.name, device.id))
