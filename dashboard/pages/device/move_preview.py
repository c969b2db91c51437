"""The consequences of moving a device to another fleet, for a preview."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.conf import settings

from dashboard.pages.parts.poll_interval import interval_of
from devices import freezing
from devices.models import Device
from devices.words import frozen_because, of_site
from fleets.models import Fleet


@dataclass(frozen=True)
class Consequence:
    """A property of the device in words, before and after the move, with a note about when or why."""

    name: str
    before: str
    after: str
    note: str = ""

    @property
    def same(self) -> bool:
        return self.before == self.after


def consequences(device: Device, to: Fleet) -> tuple[Consequence, ...]:
    """The consequences of moving a device to the fleet `to`.

    `device` was read with its fleet and organization. Freezing is left out where no plan is used.
    """
    locked = _freezing(device, to)
    relevant = device.organization.has_plan or locked.before != locked.after or device.frozen_reason
    return (_interval(device, to), _vpn(device, to), *([locked] if relevant else []))


def _interval(device: Device, to: Fleet) -> Consequence:
    before, after = interval_of(device), interval_of(device, to)
    if device.poll_interval is not None:
        note = "Set for this device."
    else:
        note = "" if before.words == after.words else "Applies from its next poll."
    return Consequence("Poll interval", before.words, after.words, note)


def _vpn(device: Device, to: Fleet) -> Consequence:
    own = device.vpn_setting
    setting = to.vpn_enabled if own is None else own
    after = bool(setting)
    note = ""
    if own is not None:
        note = "Set for this device."
    elif after != device.vpn_enabled and after:
        note = of_site("If the {vpn} is not connected, the device is not fully Online.")
    elif after != device.vpn_enabled:
        note = "A recent heartbeat alone makes it Online."
    before = None if device.vpn_unset else device.vpn_enabled
    return Consequence(settings.VPN_WORD, USED[before], USED[setting], note)


USED: Final = {True: "Used", False: "Not used", None: "Not used yet"}


def _freezing(device: Device, to: Fleet) -> Consequence:
    after = freezing.reason_in(device, to)
    note = "Polls are still recorded. Releases, settings and reports are refused." if after else ""
    return Consequence("Locked", _locked(device.frozen_reason), _locked(after), note)


def _locked(reason: str) -> str:
    return f"Frozen: {frozen_because(reason)}" if reason else "No"
