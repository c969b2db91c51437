"""Which metrics of a device are possible: an impossible value is treated as no value.

A report with an impossible value is not refused (protocol.md), since the rest of it may be right. The value
is dropped where a report is recorded, so that pages, exports and other readers of the row agree, and again
where a row is read, for values that were recorded by earlier versions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

WARN_SHARE: Final = 90  # per cent of CPU, memory and storage
WARN_TEMPERATURE: Final = 80  # degrees Celsius
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
    """The metrics by name, with None in place of each impossible value."""
    return {name: value if _is_possible(name, value) else None for name, value in metrics.items()}


def known(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The possible values of a device's metrics by name; where more is used than exists, `used` is dropped.

    Use and total are compared here and not when they are recorded, since a report may contain only one.
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
