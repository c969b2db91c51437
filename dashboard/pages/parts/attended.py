"""The kinds of trouble in words, for sites that show six statuses, which do not tell them (domain.md)."""

from __future__ import annotations

from collections.abc import Mapping

from django.conf import settings

from devices.rules.vocabulary import WORST, Status, always_attended
from devices.words import thousands


def attended_words(counts: Mapping[str, int], attention: int) -> str:
    """The kinds of trouble in words: "2 Offline, 4 with one link, 1 stalled".

    `counts` are devices by each of the nine statuses, `attention` the number that need attention. "" on
    sites that show nine statuses, where the counts tell it.
    """
    if not settings.SIMPLE_STATUSES:
        return ""
    offline = counts[Status.OFFLINE]
    one_link = sum(counts[status] for status in WORST) - offline
    stalled = attention - always_attended(counts)
    kinds = ((offline, Status.OFFLINE.label), (one_link, "with one link"), (stalled, "stalled"))
    return ", ".join(f"{thousands(n)} {words}" for n, words in kinds if n)
