"""How a device's two links are shown: the states of their icons, and what is said beside them.

Reads what `status.with_status` annotates and decides no status.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from devices.status.annotated import DeviceWithStatus

VPN_STATES = {"connected": "connected", "lost": "lost", "unknown": "never seen", "off": "not used"}
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
    if device.vpn:
        state = "connected"
    elif not device.vpn_enabled:
        state = "off"
    else:
        state = "lost" if device.vpn_since else "unknown"
    notes = {"unknown": "No connection recorded", "off": "Turned off for this device"}
    since = device.vpn_since if state in ("connected", "lost") else None
    return Indicator(
        "vpn", state, f"{settings.VPN_WORD} {VPN_STATES[state]}", since, note=notes.get(state, "")
    )


def heartbeat(device: DeviceWithStatus) -> Indicator:
    """The API heartbeat of an annotated device."""
    state = "overdue" if device.overdue else device.heartbeat
    words = f"API {HEARTBEAT_STATES[state]}"
    poll = device.last_poll
    if poll is None:
        return Indicator("heartbeat", state, words, None, note="No contact recorded")
    expected = poll.last_poll_at + timedelta(seconds=poll.poll_interval)
    return Indicator("heartbeat", state, words, device.heartbeat_since, poll.last_poll_at, expected)
