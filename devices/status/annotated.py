"""The type of a device that `with_status` or `as_recorded` annotated, for type checkers."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, TypedDict

from devices.models import Device


class Annotations(TypedDict):
    """The annotations of a device, at the moment of the reading.

    `status` is a slug of Status, `heartbeat` of HeartbeatState; `rank` is an index of RANKS, 0 the worst.
    """

    status: str
    heartbeat: str
    vpn: bool
    status_since: datetime
    heartbeat_since: datetime | None  # None: it never polled
    vpn_since: datetime | None  # None: its VPN was never connected
    last_contact: datetime | None  # the newest poll, report or VPN connect; None: never in contact
    overdue: bool
    stalled: bool
    rank: int


if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

    DeviceWithStatus = WithAnnotations[Device, Annotations]
else:
    DeviceWithStatus = Device
