"""What a person reads in the journal: what is so, when it becomes so."""

from __future__ import annotations

import logging

_logger = logging.getLogger("lookout.vpn")
_last: dict[str, str] = {}


def once(subject: str, message: str) -> None:
    """Log what became of the subject, unless it is what was said of it last."""
    if _last.get(subject) != message:
        _last[subject] = message
        _logger.info("%s", message)
