"""The heartbeat window as the legend explains it: when a poll is late and lost, and which status follows."""

from __future__ import annotations

from typing import Any, Final

from django.conf import settings

from dashboard.pages.parts.poll_interval import in_words, interval
from dashboard.templating.indicators import HEARTBEAT_STATES
from devices.rules.vocabulary import HeartbeatState, Status
from devices.words import of_site
from fleets.models import POLL_INTERVAL_MAX, POLL_INTERVAL_MIN

EXAMPLES: Final = (POLL_INTERVAL_MIN, 180, 3600, POLL_INTERVAL_MAX)  # seconds, beside the site's own interval
BY_VPN: Final = ("{vpn} not used", "{vpn} not connected", "{vpn} connected")
# The status of a device that no earlier rule decides on, for each of BY_VPN.
BY_HEARTBEAT: Final = {
    HeartbeatState.RECENT: (Status.ONLINE, Status.HEARTBEAT_ONLY, Status.ONLINE),
    HeartbeatState.LATE: (Status.HEARTBEAT_ONLY, Status.HEARTBEAT_ONLY, Status.VPN_ONLY),
    HeartbeatState.LOST: (Status.OFFLINE, Status.OFFLINE, Status.VPN_ONLY),
}


def explained() -> dict[str, Any]:
    """What devices/heartbeat_window.html shows, with the intervals and the words of this site."""
    by_vpn = [of_site(words) for words in BY_VPN]
    return {
        "by_vpn": by_vpn,
        "by_heartbeat": [
            (HEARTBEAT_STATES[state], list(zip(by_vpn, given, strict=True)))
            for state, given in BY_HEARTBEAT.items()
        ],
        "grace": in_words(settings.HEARTBEAT_GRACE),
        "intervals": [interval(seconds) for seconds in sorted({*EXAMPLES, settings.POLL_INTERVAL})],
    }
