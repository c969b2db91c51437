"""What the word of a source for the status of a device means here."""

from __future__ import annotations

from typing import Final

from devices.rules.vocabulary import Status

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


def agrees(word: str, status: str) -> bool:
    """Whether the `word` that the source has for a device means its `status` here."""
    return status in SAME.get(word, ())
