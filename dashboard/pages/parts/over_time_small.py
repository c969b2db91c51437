"""The small picture of a fleet: the share of its devices that needed attention by hour of the last day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Final

from dashboard.pages.parts.over_time import DRAWN
from devices.history import rollups
from devices.models import FleetTally
from devices.rules.vocabulary import Status
from devices.words import NO_BREAK

HOURS: Final = 24
WIDTH, HEIGHT, GAP = 240, 24, 2  # in units of the SVG's view box; the gap is between two bars
LEAST: Final = 0.1  # the smallest share that may be drawn as a full bar, so that small losses look small
THINNEST: Final = 2.0  # the least height of a bar


@dataclass(frozen=True)
class Small:
    """The bars of the shares that were Offline and that had one link, as paths of an SVG, and their words."""

    offline: str
    partial: str
    words: str


def small_pictures(fleets: Sequence[int], at: datetime) -> dict[int, Small]:
    """The pictures of fleets, by primary key, on one scale; those not counted within the day have none."""
    newest = rollups.floor(at)
    moments = [newest - timedelta(hours=back) for back in range(HOURS)][::-1]
    rollups_of_day = FleetTally.objects.filter(fleet__in=fleets, at__in=moments)
    shares: dict[int, dict[datetime, tuple[float, float]]] = {}
    for fleet, moment, counts in rollups_of_day.values_list("fleet", "at", "counts"):
        shares.setdefault(fleet, {})[moment] = _shares(dict(zip(Status.values, counts, strict=True)))
    most = {fleet: max(sum(item) for item in of_it.values()) for fleet, of_it in shares.items()}
    full = max([LEAST, *most.values()])
    return {fleet: _small(moments, of_it, most[fleet], full) for fleet, of_it in shares.items()}


def _shares(counts: Mapping[str, int]) -> tuple[float, float]:
    """The share of devices that were Offline, and the share that had only one link."""
    total = sum(counts.values()) or 1
    offline = counts[Status.OFFLINE]
    return offline / total, (sum(counts[status] for status in DRAWN) - offline) / total


def _small(
    moments: Sequence[datetime], shares: Mapping[datetime, tuple[float, float]], most: float, full: float
) -> Small:
    bars = [(place, *shares[moment]) for place, moment in enumerate(moments) if moment in shares]
    heights = [(place, _height(offline, full), _height(partial, full)) for place, offline, partial in bars]
    return Small(
        offline=_path((place, 0.0, offline) for place, offline, _ in heights),
        partial=_path((place, offline, offline + partial) for place, offline, partial in heights),
        words=f"at most {ceil(100 * most)}{NO_BREAK}%" if most else "all well",
    )


def _height(share: float, full: float) -> float:
    return max(THINNEST, HEIGHT * share / full) if share else 0.0


def _path(bars: Iterable[tuple[int, float, float]]) -> str:
    """The path of bars, each given by its hour, its lower and its upper height."""
    step = WIDTH // HOURS
    bar = step - GAP
    return "".join(
        f"M{place * step} {HEIGHT - min(above, HEIGHT):.1f}h{bar}V{HEIGHT - below:.1f}h-{bar}z"
        for place, below, above in bars
        if above > below
    )
