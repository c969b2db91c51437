"""How long what /metrics answers takes to make, which is kept for some seconds, and how large it is."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import Final

from prometheus_client import exposition

from devices.metrics import scrapes

NAME: Final = "metrics"  # of what is measured
LIMIT: Final = 300.0  # milliseconds


@dataclass(frozen=True)
class Scrape:
    """The median of some scrapes in milliseconds, and the kilobytes and the series of one."""

    p50: float
    kilobytes: float
    series: int

    def __str__(self) -> str:
        took = f"{self.p50:,.0f} ms (limit {LIMIT:,.0f})"
        return f"{NAME}: {took}, {self.kilobytes:,.0f} kB, {self.series:,} series"


def scrape(times: int) -> Scrape:
    """Make the text of a scrape so many times, of the database that is there."""
    encode, _ = exposition.choose_encoder("")
    took, text = [], b""
    for _ in range(times):
        began = time.perf_counter()
        text = scrapes.made("", encode)
        took.append((time.perf_counter() - began) * 1000)
    series = sum(not line.startswith(b"#") for line in text.splitlines())
    return Scrape(statistics.median(took), len(text) / 1000, series)
