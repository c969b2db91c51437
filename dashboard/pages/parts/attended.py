"""What those that need attention are, where the statuses that are shown do not tell (domain.md)."""

from __future__ import annotations

from collections.abc import Mapping

from django.conf import settings

from devices.rules.vocabulary import WORST, Status, always_attended
from devices.words import thousands


def attended_words(counts: Mapping[str, int], attention: int) -> str:
    """ "2 Offline, 4 with one link, 1 stalled" of so many that need attention; `counts` are of all nine.

    Nothing where all nine are shown: the numbers beside it say the same.
    """
    if not settings.SIMPLE_STATUSES:
        return ""
    offline = counts[Status.OFFLINE]
    one_link = sum(counts[status] for status in WORST) - offline
    stalled = attention - always_attended(counts)
    said = ((offline, Status.OFFLINE.label), (one_link, "with one link"), (stalled, "stalled"))
    return ", ".join(f"{thousands(n)} {words}" for n, words in said if n)
