"""What pages say of a device or a fleet that is read from a source: where, as of when, and its own word."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from devices.keys.mirrored import Mirrored
from devices.models import Device, Source
from devices.rules.vocabulary import Status
from fleets.models import Fleet

# The statuses here that a word of the source agrees with.
SAME: Final = {
    "operational": {Status.ONLINE},
    "reduced-functionality": {Status.VPN_ONLY, Status.HEARTBEAT_ONLY},
    "disconnected": {Status.OFFLINE},
    "configuring": {Status.CONFIGURING},
    "updating": {Status.UPDATING},
    "post-provisioning": {Status.POST_PROVISIONING},
    "inactive": {Status.INACTIVE},
    "frozen": {Status.FROZEN},
}


@dataclass(frozen=True)
class Reading:
    """Where it is read from and as of when; `word`: the status there, where it differs from ours.

    `refused_at`: when the API refused the device's key in a relayed call, if it was not accepted since.
    """

    host: str
    at: datetime | None
    silent: bool
    word: str = ""
    refused_at: datetime | None = None


def reading_of(mirror: Device | Fleet, at: datetime, status: str = "") -> Reading | None:
    """How a device with this `status`, or a fleet, is read; None: it is of this site.

    It was read with its `mirrored__source`, so that this makes no query.
    """
    row = getattr(mirror, "mirrored", None)
    if row is None:
        return None
    source: Source = row.source
    word = (
        row.status if status and status not in SAME.get(row.status, ()) and isinstance(mirror, Device) else ""
    )
    refused_at = getattr(row, "refused_at", None)  # a fleet has no key
    return Reading(source.host, source.swept_at, source.is_silent(at), word, refused_at)


def require_own(mirror: Device | Fleet) -> None:
    """Raise Mirrored if a source is in charge of it; it was read with its `mirrored__source`."""
    row = getattr(mirror, "mirrored", None)
    if row is not None:
        raise Mirrored(row.source.host)
