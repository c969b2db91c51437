"""What a device measures of itself: a value that its sensor cannot mean is none, wherever it came from.

A report with such a value is not refused (protocol.md): all else that it says is true. It is left out where
a report is recorded, so that pages, exports and whatever reads the row agree, and where a row is read, for
those that were recorded before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

BYTES: Final = (0, 10**15)  # a petabyte; a supervisor's largest number stands for what it could not measure
POSSIBLE: Final[dict[str, tuple[float, float]]] = {
    "cpu_percent": (0, 100),  # of all its processors together
    "memory_used": BYTES,
    "memory_total": BYTES,
    "storage_used": BYTES,
    "storage_total": BYTES,
    "temperature": (-60, 150),  # degrees Celsius
}
TOTALS: Final = (("memory_used", "memory_total"), ("storage_used", "storage_total"))


def possible(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """These values, by name, with None for each that no sensor can mean."""
    return {name: value if _is_possible(name, value) else None for name, value in metrics.items()}


def known(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a device's row that mean something; more used than there is means nothing.

    That is told on reading, for a report may name one of the two alone.
    """
    values = possible(metrics)
    for used, total in TOTALS:
        if values.get(used) is not None and values.get(total) and values[used] > values[total]:
            values[used] = None
    return {name: value for name, value in values.items() if value is not None}


def _is_possible(name: str, value: Any) -> bool:
    if value is None or name not in POSSIBLE:
        return True
    least, most = POSSIBLE[name]
    return bool(least <= value <= most)
