"""What changes how values read on a page, whatever they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.utils import timezone

from dashboard import __version__

if TYPE_CHECKING:
    from collections.abc import Hashable
    from datetime import datetime


def frame(at: datetime) -> tuple[Hashable, ...]:
    """Day, time zone, the site's words and the version; the time of day is not among them."""
    return (
        __version__,
        timezone.localdate(at),
        timezone.get_current_timezone_name(),
        settings.VPN_WORD,
        settings.FLEET_WORD,
        settings.CLOUD_NAME,
        settings.SIMPLE_STATUSES,
    )
