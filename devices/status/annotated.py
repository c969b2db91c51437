"""What reading a device by `with_status` or `as_recorded` adds to it, as types: so every use is checked."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, TypedDict

from devices.models import Device


class Annotations(TypedDict):
    """What a device is at a clock; `status` and `heartbeat` are slugs, `rank` 0 is the worst."""

    status: str
    heartbeat: str
    vpn: bool
    status_since: datetime
    heartbeat_since: datetime | None  # null: never seen
    vpn_since: datetime | None
    last_contact: datetime | None  # the newest poll, report or VPN connect
    overdue: bool
    stalled: bool
    rank: int


if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

    DeviceWithStatus = WithAnnotations[Device, Annotations]
else:
    DeviceWithStatus = Device
