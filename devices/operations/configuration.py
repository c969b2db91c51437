"""What a device configures about itself: its first name, whether it uses the VPN, and its poll interval."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction
from django.db.models import F, Q

from devices import clock
from devices.clock import Moment
from devices.models import Device
from devices.operations.reports import LONGEST
from devices.transitions.write import settle_devices
from fleets.text import kept


@transaction.atomic
def configure(
    *,
    device_id: int,
    name: str | None = None,
    vpn_enabled: bool | None = None,
    poll_interval: int | None = None,
    at: datetime | Moment | None = None,
) -> None:
    """Set what is given (None: unchanged) for the device with this id, if it exists.

    A name counts until an operator has named the device. `poll_interval` is in seconds, from 10 s to 24 h,
    and is in force from the next poll on.
    """
    at = clock.moment(at)
    device = Device.objects.filter(pk=device_id)
    if vpn_enabled is not None:  # first, as settling takes the locks in their order
        settle_devices([device_id], at)
        device.update(vpn_setting=vpn_enabled)
        device.exclude(vpn_enabled=vpn_enabled).update(
            vpn_enabled=vpn_enabled, facts_at=at.at, facts_reason={"slug": "vpn-setting", "by": "the device"}
        )
    if poll_interval is not None:
        device.update(poll_interval=poll_interval)
    if name := kept(name or "").strip()[:LONGEST]:
        device.filter(Q(name="") | Q(name=F("own_name"))).update(name=name, own_name=name)


@transaction.atomic
def set_poll_intervals(intervals: Mapping[int, int]) -> None:
    """Set the poll intervals of devices, in seconds by device id, in force from the next polls on."""
    rows = Device.objects.filter(pk__in=intervals).order_by("pk").select_for_update(no_key=True)
    ids = list(rows.values_list("pk", flat=True))  # locked in the order of all
    for interval in set(intervals.values()):
        same = [pk for pk in ids if intervals[pk] == interval]
        Device.objects.filter(pk__in=same).update(poll_interval=interval)
