"""Logging to the journal when a state changes, not each time that it is observed."""

from __future__ import annotations

import logging

_logger = logging.getLogger("lookout.vpn")
_last: dict[str, str] = {}


def once(subject: str, message: str) -> None:
    """Log the message, unless it is the last one that was logged about this subject."""
    if _last.get(subject) != message:
        _last[subject] = message
        _logger.info("%s", message)
