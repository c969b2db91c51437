"""The nightly run of the integrity checks (devices/integrity/checks.py).

A disagreement is a bug of ours. It is logged as an error, and listed in the admin under Verifications.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from devices import clock
from devices.clock.trusted import trusted
from devices.integrity import checks as integrity
from devices.models import Verification

logger = logging.getLogger(__name__)

BACK: Final = timedelta(days=2)  # how far back histories are checked: more than since the run before
NAMED: Final = 100  # disagreements of a run that are named; the others are counted
KEPT: Final = timedelta(days=90)


def verify(at: datetime | None = None) -> Verification:
    """Run the checks, log what they find, and store the result; deletes results older than KEPT."""
    began = clock.moment(at)
    disagreements = integrity.disagreements(at, since=began.at - BACK)
    lines = [str(disagreement) for disagreement in islice(disagreements, NAMED)]
    found = len(lines) + sum(1 for _ in disagreements)
    for line in lines:
        logger.error("a record does not match the facts: %s", line)
    if found > len(lines):
        logger.error("and %d more: `manage.py verify_status` names all", found - len(lines))
    Verification.objects.filter(began_at__lt=trusted(began) - KEPT).delete()
    ended_at = at or clock.now()
    return Verification.objects.create(began_at=began.at, ended_at=ended_at, found=found, lines=lines)
