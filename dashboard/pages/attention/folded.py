"""What the Attention page folds into one line each: what comes and goes too fast to be read."""

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

NAMED: Final = 12  # devices of a folded line


@dataclass(frozen=True)
class Flapping:
    """A device with a link that changes often: which, how often within the hour, and how it is now."""

    id: int
    uuid: str
    name: str
    status: str
    link: str
    changes: int
    attended: bool  # it is in trouble just now, so it is counted among those that need attention


@dataclass(frozen=True)
class Young:
    """A device in trouble for less than a minute."""

    uuid: str
    name: str
    status: str


@dataclass(frozen=True)
class Folded:
    """Both lines: how many devices each has, and the first of them."""

    young_number: int
    young: tuple[Young, ...]
    flapping_number: int
    flapping: tuple[Flapping, ...]
    connected: int  # of the flapping ones: in no trouble just now

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
    """The lines of these devices; those that change most often stand first."""
    return Folded(
        young_number=len(young),
        young=tuple(Young(device.uuid, name_of(device), device.status) for device in young[:NAMED]),
        flapping_number=len(flapping),
        flapping=tuple(flapping[:NAMED]),
        connected=sum(not device.attended for device in flapping),
    )


def flapping(among: Among, at: Moment, moved: Sequence[int]) -> list[Flapping]:
    """The devices whose links change often, in trouble or not. Three queries at most, mostly one."""
    ids = changing_often([organization.pk for organization in among.organizations], at.at)
    if not ids:
        return []
    annotated = with_status if moved else as_recorded
    devices = list(annotated(among.devices.filter(pk__in=ids), at))
    often = most_changing(devices, at.at)
    found = [
        Flapping(
            id=device.pk,
            uuid=device.uuid,
            name=device.name or device.short_uuid,
            status=device.status,
            link=often[device.pk][1],
            changes=often[device.pk][0],
            attended=device.rank <= LAST_ATTENTION_RANK,
        )
        for device in devices
        if device.pk in often
    ]
    return sorted(found, key=lambda device: (-device.changes, device.name, device.id))
