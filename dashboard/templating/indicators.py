"""The indicators of a device's two links: the states of their icons, and their words.

They show what `status.with_status` has annotated, and decide no status.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from devices.listing.listed import Listed
from devices.models import Device
from devices.rules import vpn_states
from devices.status.annotated import DeviceWithStatus
from devices.words import of_site

# The icon of each state that devices/rules/vpn_states.py names, and the words of each icon. `unset` is `off`
# where nobody has set it.
VPN_ICONS = {
    "connected": "connected",
    "disconnected": "lost",
    "never": "unknown",
    "off": "off",
    "unset": "off",
}
VPN_STATES = {"connected": "connected", "lost": "lost", "unknown": "never seen", "off": "not used"}
VPN_NOT_YET = "not used yet"
VPN_NOTES = {
    "never": "No connection recorded",
    "off": "Turned off for this device",
    "unset": "No {vpn} server has connected a device of its {fleet} yet",
}
HEARTBEAT_STATES = {
    "recent": "on time",
    "overdue": "overdue",
    "late": "late",
    "lost": "lost",
    "unknown": "never seen",
}


@dataclass(frozen=True)
class Indicator:
    """An indicator: its link and state, which name its icon, its words, and the times for its tooltip."""

    link: str
    state: str
    words: str
    since: datetime | None
    last: datetime | None = None
    expected: datetime | None = None  # when the next poll is, or was, due
    note: str = ""


def vpn(device: DeviceWithStatus | Listed) -> Indicator:
    """The indicator of the VPN of an annotated device."""
    recorded = vpn_states.recorded_as(connected=device.vpn, changed_at=device.vpn_since)
    return vpn_in(vpn_state(recorded, device), device.vpn_since)


def vpn_state(recorded: str | None, device: Device | Listed | None) -> str:
    """The state of the VPN (a key of VPN_ICONS) from the last record and the device's present settings."""
    state = vpn_states.state_of(recorded, used=device is None or device.vpn_enabled)
    return "unset" if state == "off" and device and device.vpn_unset else state


def vpn_in(state: str, since: datetime | None, note: str = "") -> Indicator:
    """The indicator of a VPN in a state of VPN_ICONS; a `note` is shown instead of the times."""
    icon = VPN_ICONS[state]
    words = f"{settings.VPN_WORD} {VPN_NOT_YET if state == 'unset' else VPN_STATES[icon]}"
    if state in VPN_NOTES:
        return Indicator("vpn", icon, words, None, note=of_site(VPN_NOTES[state]))
    return Indicator("vpn", icon, words, since, note=note)


def heartbeat(device: DeviceWithStatus | Listed) -> Indicator:
    """The indicator of the API heartbeat of an annotated device."""
    state = "overdue" if device.overdue else device.heartbeat
    words = f"API {HEARTBEAT_STATES[state]}"
    poll = device.last_poll
    if poll is None:
        return Indicator("heartbeat", state, words, None, note="No contact recorded")
    expected = poll.last_poll_at + timedelta(seconds=poll.poll_interval)
    return Indicator("heartbeat", state, words, device.heartbeat_since, poll.last_poll_at, expected)
