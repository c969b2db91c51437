"""What relayed calls proved about devices and VPN servers, each of one source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Poll:
    """A device read its state with its own key.

    `interval` is its poll interval in seconds, None: as it was; `address` the public address that it called
    from, empty: not known.
    """

    uuid: str
    interval: int | None
    address: str


@dataclass(frozen=True, slots=True)
class Report:
    """A device reported these facts (the payload of `devices.operations.reports`) with its own key.

    `number` is the id that the call named instead of the UUID, and must be the device's own; 0: none.
    """

    uuid: str
    facts: dict[str, Any]
    number: int = 0


@dataclass(frozen=True, slots=True)
class Registration:
    """The API registered a device, with the id `number`, in the application with the id `application`."""

    uuid: str
    number: int
    application: int
    device_type: str
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ServerStart:
    """A VPN server started, and got the id `number` from the API."""

    number: int
    address: str


@dataclass(frozen=True, slots=True)
class ServerSign:
    """A VPN server gave a life sign."""

    number: int


@dataclass(frozen=True, slots=True)
class Links:
    """Devices connected to a VPN server, or disconnected from it."""

    number: int
    uuids: tuple[str, ...]
    connected: bool


@dataclass(frozen=True, slots=True)
class Refusal:
    """The API refused (401) a device that named its own UUID."""

    uuid: str


@dataclass(frozen=True, slots=True)
class Away:
    """The API cannot be reached, so that nobody's silence says anything."""


Observation = Poll | Report | Registration | ServerStart | ServerSign | Links | Refusal | Away
