"""What the conditions of rules ask for beside their kind, and their usual times."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from devices.alerts.refusals import Invalid
from devices.models import Condition
from devices.rules.vocabulary import Status

Statuses = Annotated[tuple[Status, ...], Meta(min_length=1)]
Seconds = Annotated[int, Meta(ge=60, le=366 * 86400)]
Mark = Literal["memory", "disk", "temperature", "undervoltage"]
MARKS: Final[tuple[Mark, ...]] = ("memory", "disk", "temperature", "undervoltage")


class Nothing(Struct, frozen=True, forbid_unknown_fields=True):
    """Of a condition that asks for nothing else: stalled, flapping."""


class OfStatus(Struct, frozen=True, forbid_unknown_fields=True):
    """A device has one of these statuses."""

    statuses: Statuses = (Status.OFFLINE,)


class Together(Struct, frozen=True, forbid_unknown_fields=True):
    """At least so many devices were lost within five minutes, with a cause that they share."""

    least: Annotated[int, Meta(ge=5, le=100_000)] = 5


class LongerThan(Struct, frozen=True, forbid_unknown_fields=True):
    """For longer than so many seconds: without contact, or registered and not come."""

    seconds: Seconds = 86400


class Share(Struct, frozen=True, forbid_unknown_fields=True):
    """At least this share of the active devices, and at least so many, have one of these statuses."""

    percent: Annotated[int, Meta(ge=1, le=100)] = 20
    least: Annotated[int, Meta(ge=1, le=1_000_000)] = 10
    statuses: Statuses = (Status.OFFLINE,)


class Vitals(Struct, frozen=True, forbid_unknown_fields=True):
    """One of these marks of the device is critical (docs/help.md)."""

    marks: Annotated[tuple[Mark, ...], Meta(min_length=1)] = MARKS


Parameters = Nothing | OfStatus | Together | LongerThan | Share | Vitals


@dataclass(frozen=True)
class Kind:
    """What a condition asks for, and how long it usually takes until it fires, and until it is over."""

    parameters: type[Struct]
    delay: timedelta = timedelta()
    hold: timedelta = timedelta()


MINUTE: Final = timedelta(minutes=1)
KINDS: Final[dict[Condition, Kind]] = {
    Condition.STATUS: Kind(OfStatus, 2 * MINUTE, 2 * MINUTE),
    Condition.TOGETHER: Kind(Together, 2 * MINUTE, 2 * MINUTE),
    Condition.STALLED: Kind(Nothing),
    Condition.FLAPPING: Kind(Nothing),
    Condition.SILENT: Kind(LongerThan),
    Condition.SHARE: Kind(Share, 5 * MINUTE, 5 * MINUTE),
    Condition.VITALS: Kind(Vitals, 10 * MINUTE, 10 * MINUTE),
    Condition.NEVER_CAME: Kind(LongerThan),
}


def read(condition: str, stored: object) -> Any:
    """The parameters of a rule, of the type that KINDS has for its condition. Raises Invalid."""
    try:
        return msgspec.convert(stored, type=KINDS[Condition(condition)].parameters)
    except msgspec.ValidationError as error:
        raise Invalid("parameters", f"{error}.") from error


def stored(parameters: Struct) -> dict[str, Any]:
    """As JSON has them."""
    values: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(parameters))
    return values
