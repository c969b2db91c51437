"""The preview of an action on many devices: how many it would change, which it would skip, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Count, Q, QuerySet

from dashboard.pages.parts.poll_interval import in_words
from devices.clock import Moment
from devices.models import Device, Selection
from devices.operations.bulk_actions import ACTIONS, devices_in
from devices.status.reading import with_status
from devices.words import counted, of_site
from fleets.models import Fleet
from fleets.postgres.name_order import NameKey

NAMED: Final = 10  # most devices that a group names
GONE: Final = "Deleted meanwhile"


@dataclass(frozen=True)
class Group:
    """Devices that are skipped for one reason `why`, or changed if it is ""; the first by name are named."""

    why: str
    number: int
    names: list[str]

    @property
    def more(self) -> int:
        return self.number - len(self.names)


@dataclass(frozen=True)
class Preview:
    """The devices that the action would change, and those that it would skip, by reason."""

    affected: Group
    skipped: list[Group]  # without empty groups


def preview(selection: Selection, action: str, payload: Mapping[str, Any], at: Moment) -> Preview:
    """What the action with this payload would do to the selection at `at`; a query for each group."""
    devices: QuerySet[Device] = devices_in(selection)
    definition = ACTIONS[action]
    if definition.fades:
        devices = with_status(devices, at)
    left, groups = Q(), []
    for why, condition in definition.skips(payload):
        groups.append((why, left & condition))
        left &= ~condition
    groups.insert(0, ("", left))
    counts = devices.order_by().aggregate(
        there=Count("pk"), **{f"n{number}": Count("pk", filter=of) for number, (_, of) in enumerate(groups)}
    )
    found = []
    for number, (why, condition) in enumerate(groups):
        first = devices.filter(condition).order_by(NameKey("name"), "pk")[
            : NAMED if counts[f"n{number}"] else 0
        ]
        found.append(Group(why, counts[f"n{number}"], list(map(str, first))))
    found.append(Group(GONE, selection.total - counts["there"], []))
    return Preview(found[0], [group for group in found[1:] if group.number])


def title(action: str, number: int, payload: Mapping[str, Any]) -> str:
    """The action in words: "Move 38 devices to Kiosks"."""
    value = VALUES[action](payload) if action in VALUES else ""
    return counted(number, *TITLES[action], value=value)


def tag_words(payload: Mapping[str, Any]) -> str:
    """The tags that are added and removed, in words: "site = a, without spare"."""
    put = [f"{name} = {value}" if value else name for name, value in payload["put"].items()]
    return ", ".join([*put, *(f"without {name}" for name in payload["drop"])])


def interval_words(payload: Mapping[str, Any]) -> str:
    seconds = payload["poll_interval"]
    return in_words(seconds) if seconds else of_site("the {fleet} setting")


VALUES: Final[dict[str, Callable[[Mapping[str, Any]], str]]] = {
    "move": lambda payload: str(payload["fleet"]),
    "tag": tag_words,
    "poll-interval": interval_words,
}
TITLES: Final = {
    "move": ("Move 1 device to {value}", "Move {n} devices to {value}"),
    "tag": ("Tag 1 device: {value}", "Tag {n} devices: {value}"),
    "poll-interval": (
        "Set the poll interval of 1 device to {value}",
        "Set the poll interval of {n} devices to {value}",
    ),
    "deactivate": ("Deactivate 1 device", "Deactivate {n} devices"),
    "delete": ("Delete 1 device", "Delete {n} devices"),
}


def others(selection: Selection) -> list[Fleet]:
    """The fleets that devices of the selection may move to."""
    return list(Fleet.objects.filter(organization=selection.organization_id))
