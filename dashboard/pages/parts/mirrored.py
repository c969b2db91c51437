"""What pages say of a device or a fleet that is read from a source: where, as of when, and its own word."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from devices.keys.mirrored import Mirrored
from devices.models import Device, Source
from devices.sources.words import agrees
from fleets.models import Fleet


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
    differs = isinstance(mirror, Device) and bool(status) and not agrees(row.status, status)
    word = row.status if differs else ""
    refused_at = getattr(row, "refused_at", None)  # a fleet has no key
    return Reading(source.host, source.swept_at, source.is_silent(at), word, refused_at)


def require_own(mirror: Device | Fleet) -> None:
    """Raise Mirrored if a source is in charge of it; it was read with its `mirrored__source`."""
    row = getattr(mirror, "mirrored", None)
    if row is not None:
        raise Mirrored(row.source.host)
