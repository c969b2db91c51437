"""How a device's two links are shown: the states of their icons, and what is said beside them.

Reads what `status.with_status` annotates and decides no status.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from devices.rules import vpn_states
from devices.status.annotated import DeviceWithStatus

# The icon of each state that devices/rules/vpn_states.py names, and the words of each icon.
VPN_ICONS = {"connected": "connected", "disconnected": "lost", "never": "unknown", "off": "off"}
VPN_STATES = {"connected": "connected", "lost": "lost", "unknown": "never seen", "off": "not used"}
VPN_NOTES = {"never": "No connection recorded", "off": "Turned off for this device"}
HEARTBEAT_STATES = {
    "recent": "on time",
    "overdue": "overdue",
    "late": "late",
    "lost": "lost",
    "unknown": "never seen",
}


@dataclass(frozen=True)
class Indicator:
    """One icon: its link and state as the sprite names them, its words, and the times it speaks of."""

    link: str
    state: str
    words: str
    since: datetime | None
    last: datetime | None = None
    expected: datetime | None = None  # when the next poll is, or was, due
    note: str = ""


def vpn(device: DeviceWithStatus) -> Indicator:
    """The VPN of an annotated device."""
    recorded = vpn_states.recorded_as(connected=device.vpn, changed_at=device.vpn_since)
    return vpn_in(vpn_states.state_of(recorded, used=device.vpn_enabled), device.vpn_since)


def vpn_in(state: str, since: datetime | None, note: str = "") -> Indicator:
    """The VPN in one of the states that devices/rules/vpn_states.py names; a `note` is said for the times."""
    icon = VPN_ICONS[state]
    words = f"{settings.VPN_WORD} {VPN_STATES[icon]}"
    if state in VPN_NOTES:
        return Indicator("vpn", icon, words, None, note=VPN_NOTES[state])
    return Indicator("vpn", icon, words, since, note=note)


def heartbeat(device: DeviceWithStatus) -> Indicator:
    """The API heartbeat of an annotated device."""
    state = "overdue" if device.overdue else device.heartbeat
    words = f"API {HEARTBEAT_STATES[state]}"
    poll = device.last_poll
    if poll is None:
        return Indicator("heartbeat", state, words, None, note="No contact recorded")
    expected = poll.last_poll_at + timedelta(seconds=poll.poll_interval)
    return Indicator("heartbeat", state, words, device.heartbeat_since, poll.last_poll_at, expected)
