"""Showing the progress of a run, in one line."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections import Counter
from collections.abc import Callable
from typing import TextIO

from .device import Surroundings

TICK = 1.0  # seconds between two lines that overwrite each other
LOG_TICK = 10.0  # seconds between two lines that stay

Show = Callable[[str], None]


async def follow(around: Surroundings, show: Show, *, tick: float | None = None, brief: bool = False) -> None:
    """Show a line every so often, until cancelled."""
    tick = tick or (TICK if sys.stdout.isatty() else LOG_TICK)
    loop = asyncio.get_running_loop()
    while True:
        start, before = loop.time(), Counter(around.site.stats.calls)
        await asyncio.sleep(tick)
        show(lives(around) if brief else line(around, before, loop.time() - start))


def lives(around: Surroundings) -> str:
    """A line with the number of devices, and how many are in each state of their scenarios."""
    doing = sorted((name, n) for name, n in around.doing.items() if n)
    item = ", ".join(f"{n} {name}" for name, n in doing)
    return f"  {sum(n for _, n in doing)} virtual devices: {item}"


def line(around: Surroundings, before: Counter[str], seconds: float) -> str:
    """A line with devices, rates since `before` (`seconds` ago), errors, latencies, and scenarios' states."""
    stats = around.site.stats
    doing = sorted((name, n) for name, n in around.doing.items() if n)
    errors = ", ".join(f"{n} {name}" for name, n in stats.errors.most_common())
    median, slowest = (stats.percentile(share) * 1000 for share in (0.5, 0.99))
    return " · ".join(
        (
            f"{sum(n for _, n in doing)} devices",
            f"{(stats.calls['poll'] - before['poll']) / seconds:.1f} polls/s",
            f"{(stats.calls['report'] - before['report']) / seconds:.1f} reports/s",
            f"errors: {errors}" if errors else "no errors",
            f"p50 {median:.1f} ms, p99 {slowest:.1f} ms",
            ", ".join(f"{n} {name}" for name, n in doing),
        )
    )


def printer(out: TextIO) -> Show:
    """Show lines on a terminal by overwriting the last one, elsewhere one below the other."""
    if not out.isatty():
        return lambda text: print(text, file=out, flush=True)

    def overwrite(text: str) -> None:
        width = shutil.get_terminal_size().columns - 1
        out.write(f"\r{text[:width]}\x1b[K")
        out.flush()

    return overwrite
