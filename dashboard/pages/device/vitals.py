"""A device's vitals as meters; a value that was not reported, or makes no sense, is "no data" and never 0."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from devices.rules.metrics import WARN_SHARE, WARN_TEMPERATURE, known
from devices.words import NO_BREAK

UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


@dataclass(frozen=True)
class Vital:
    """A meter; `share` fills it in per cent, None if the value or its limit is unknown."""

    name: str
    words: str
    share: int | None = None
    warning: str = ""


def vitals(metrics: dict[str, Any]) -> list[Vital]:
    """The meters for the metrics that a device last reported (protocol.md, report)."""
    valid = known(metrics)
    makers: tuple[Callable[[dict[str, Any]], Vital], ...] = (
        _cpu,
        _memory,
        _storage,
        _temperature,
        _power,
    )
    return [maker(valid) for maker in makers]


def _cpu(metrics: dict[str, Any]) -> Vital:
    percent = metrics.get("cpu_percent")
    if percent is None:
        return Vital("CPU", "no data")
    return Vital("CPU", f"{round(percent)}{NO_BREAK}%", _percent(percent), _high(percent))


def _memory(metrics: dict[str, Any]) -> Vital:
    return _part("Memory", metrics.get("memory_used"), metrics.get("memory_total"))


def _storage(metrics: dict[str, Any]) -> Vital:
    return _part("Storage", metrics.get("storage_used"), metrics.get("storage_total"))


def _part(name: str, used: int | None, total: int | None) -> Vital:
    if used is None:
        return Vital(name, "no data")
    if not total:
        return Vital(name, f"{size(used)} used")
    share = 100 * used / total
    return Vital(name, f"{size(used)} of {size(total)}", _percent(share), _high(share))


def _high(share: float) -> str:
    return "High" if share >= WARN_SHARE else ""


def _temperature(metrics: dict[str, Any]) -> Vital:
    degrees = metrics.get("temperature")
    if degrees is None:
        return Vital("Temperature", "no data")
    words = f"{round(degrees)}{NO_BREAK}°C"
    return Vital("Temperature", words, _percent(degrees), "High" if degrees >= WARN_TEMPERATURE else "")


def _power(metrics: dict[str, Any]) -> Vital:
    undervolted = metrics.get("undervolted")
    if undervolted is None:
        return Vital("Power", "no data")
    return Vital("Power", "Undervoltage", warning="Low") if undervolted else Vital("Power", "OK")


def _percent(share: float) -> int:
    return round(min(100, max(0, share)))


def size(number: float) -> str:
    """A number of bytes in words, with about three digits: "12.6 GB"."""
    unit = 0
    while number >= 999.5 and unit < len(UNITS) - 1:
        number, unit = number / 1000, unit + 1
    digits = 0 if unit == 0 or number >= 99.5 else 1
    return f"{number:.{digits}f}{NO_BREAK}{UNITS[unit]}"
