"""The enumerations of a device's state: statuses, heartbeat states, ranks, and the simple vocabulary.

The models are built on them, so nothing in this module uses a model.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from django.conf import settings
from django.db.models import TextChoices

OVERDUE_AFTER = timedelta(seconds=60)  # past the poll interval: the jitter of real agents
STALLED_AFTER = timedelta(minutes=30)  # of an update or configuration without progress
POST_PROVISIONING_STATE = "Post-Provisioning"  # reported, to the letter (domain.md, The rules)


class Status(TextChoices):
    """The nine statuses in the order they are shown everywhere."""

    ONLINE = "online", "Online"
    VPN_ONLY = "vpn-only", "Online (VPN Only)"
    HEARTBEAT_ONLY = "heartbeat-only", "Online (Heartbeat Only)"
    OFFLINE = "offline", "Offline"
    CONFIGURING = "configuring", "Configuring"
    UPDATING = "updating", "Updating"
    POST_PROVISIONING = "post-provisioning", "Post Provisioning"
    INACTIVE = "inactive", "Inactive"
    FROZEN = "frozen", "Frozen"


class HeartbeatState(TextChoices):
    """The states of the API heartbeat; `unknown` only before the first poll."""

    UNKNOWN = "unknown", "Never seen"
    RECENT = "recent", "On time"
    LATE = "late", "Late"
    LOST = "lost", "Lost"


# Default order of lists, worst first (domain.md, Needs attention); `None` stands for stalled.
RANKS: tuple[Status | None, ...] = (
    Status.OFFLINE,
    Status.HEARTBEAT_ONLY,
    Status.VPN_ONLY,
    None,
    Status.UPDATING,
    Status.CONFIGURING,
    Status.POST_PROVISIONING,
    Status.ONLINE,
    Status.INACTIVE,
    Status.FROZEN,
)
LAST_ATTENTION_RANK = RANKS.index(None)
WORST = [status for status in RANKS[:LAST_ATTENTION_RANK] if status]  # always need attention
PROGRESSING = (Status.CONFIGURING, Status.UPDATING)  # may have stalled

# In the simple vocabulary a status folds into another one.
FOLDS = {
    Status.VPN_ONLY: Status.ONLINE,
    Status.HEARTBEAT_ONLY: Status.ONLINE,
    Status.FROZEN: Status.INACTIVE,
}
BEHIND = {shown: [status for status in Status if FOLDS.get(status, status) == shown] for shown in Status}


def vocabulary() -> list[Status]:
    """The statuses that are shown: nine, or the six of the simple vocabulary (a site setting)."""
    return [status for status in Status if shown(status) == status]


def shown(status: str) -> Status:
    """The status that is shown for this one: itself, or in the simple vocabulary the one it folds into."""
    one = Status(status)
    return FOLDS.get(one, one) if settings.SIMPLE_STATUSES else one


def behind(status: str) -> list[Status]:
    """The statuses that are shown as this one, which a filter for it finds."""
    one = Status(status)
    return BEHIND[one] if settings.SIMPLE_STATUSES else [one]


def always_attended(counts: Mapping[str, int]) -> int:
    """How many devices need attention by their status alone, given the number of devices by status."""
    return sum(counts[status] for status in WORST)
