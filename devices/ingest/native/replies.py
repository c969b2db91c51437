"""The types of the replies of the native dialect (protocol.md), as they are sent and published."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from devices.ingest.native.bodies import Uuid
from devices.models import FrozenReason

Seconds = Annotated[int, Meta(ge=10, le=24 * 3600, description="seconds")]
Reason = Annotated[str, Meta(extra_json_schema={"enum": FrozenReason.values})]


class Registered(Struct):
    """Who the device is from now on, and its key, shown this once."""

    uuid: Uuid
    key: str
    poll_interval: Seconds


class Polled(Struct):
    """A poll that counted. Frozen: the body was ignored."""

    poll_interval: Seconds
    frozen: Reason | UnsetType = UNSET


class Frozen(Struct):
    """A report of a frozen device, which is refused."""

    error: str
    reason: Reason


class Changed(Struct):
    """How many links changed, and which devices are not within reach."""

    changed: Annotated[int, Meta(ge=0)]
    unknown: list[str]


class Error(Struct):
    """What was wrong, in words, and the field of the request that was at fault."""

    error: str
    field: str | UnsetType = UNSET
