"""Vitals as meters."""

from typing import Any

import pytest

from dashboard.pages.device.vitals import Vital, size, vitals


def by_name(metrics: dict[str, Any]) -> dict[str, Vital]:
    return {vital.name: vital for vital in vitals(metrics)}


def test_what_is_missing_is_no_data_never_nought() -> None:
    assert {vital.words for vital in vitals({})} == {"no data"}
    assert {vital.share for vital in vitals({})} == {None}
    nothing = dict.fromkeys(("cpu_percent", "memory_used", "memory_total", "temperature", "undervolted"))
    assert {vital.words for vital in vitals(nothing)} == {"no data"}


def test_nought_is_a_value() -> None:
    zero = by_name(
        {"cpu_percent": 0, "memory_used": 0, "memory_total": 100, "temperature": 0, "undervolted": False}
    )
    assert zero["CPU"].share == zero["Memory"].share == zero["Temperature"].share == 0
    assert zero["Power"].words == "OK"
    assert zero["Storage"].words == "no data"


@pytest.mark.parametrize(
    ("metrics", "name", "warning"),
    [
        ({"memory_used": 89.9, "memory_total": 100}, "Memory", ""),
        ({"memory_used": 90, "memory_total": 100}, "Memory", "High"),
        ({"storage_used": 899, "storage_total": 1000}, "Storage", ""),
        ({"storage_used": 900, "storage_total": 1000}, "Storage", "High"),
        ({"temperature": 79.9}, "Temperature", ""),
        ({"temperature": 80}, "Temperature", "High"),
        ({"undervolted": False}, "Power", ""),
        ({"undervolted": True}, "Power", "Low"),
        ({"cpu_percent": 89.9}, "CPU", ""),
        ({"cpu_percent": 90}, "CPU", "High"),
    ],
)
def test_warnings_begin_where_help_says(metrics: dict[str, Any], name: str, warning: str) -> None:
    assert by_name(metrics)[name].warning == warning


def test_meters_stay_within_their_frame() -> None:
    odd = by_name({"cpu_percent": 100, "temperature": -20, "memory_used": 5, "memory_total": 0})
    assert (odd["CPU"].share, odd["Temperature"].share, odd["Memory"].share) == (100, 0, None)
    assert odd["Memory"].words == "5\u00a0B used"
    assert by_name({"temperature": 150})["Temperature"].share == 100


@pytest.mark.parametrize(
    ("metrics", "name"),
    [
        ({"cpu_percent": 250}, "CPU"),
        ({"cpu_percent": -1}, "CPU"),
        ({"temperature": 3.4e38}, "Temperature"),
        ({"temperature": -273.15}, "Temperature"),
        ({"temperature": 151}, "Temperature"),
        ({"memory_used": 2**62, "memory_total": 2**63 - 1}, "Memory"),
        ({"memory_used": 101, "memory_total": 100}, "Memory"),
        ({"storage_used": 2**62}, "Storage"),
    ],
)
def test_what_a_sensor_cannot_mean_is_no_data(metrics: dict[str, Any], name: str) -> None:
    assert by_name(metrics)[name] == Vital(name, "no data")


def test_a_total_that_cannot_be_leaves_what_is_used() -> None:
    assert by_name({"storage_used": 5, "storage_total": 2**62})["Storage"].words == "5\u00a0B used"


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (610_000_000, "610 MB"),
        (999_600_000, "1.0 GB"),
        (12_600_000_000, "12.6 GB"),
        (2**62, "4612 PB"),
    ],
)
def test_sizes_read_short(number: int, text: str) -> None:
    assert size(number) == text.replace(" ", "\u00a0")


@pytest.mark.parametrize(
    ("measured", "cpu", "temperature"),
    [
        (12.5, "12\N{NO-BREAK SPACE}%", "12\N{NO-BREAK SPACE}°C"),
        (99.6, "100\N{NO-BREAK SPACE}%", "100\N{NO-BREAK SPACE}°C"),
        (-0.4, "no data", "0\N{NO-BREAK SPACE}°C"),
        (-40, "no data", "-40\N{NO-BREAK SPACE}°C"),
        (1e300, "no data", "no data"),
        (-(2**31), "no data", "no data"),
    ],
)
def test_no_measured_number_is_longer_than_its_line(measured: float, cpu: str, temperature: str) -> None:
    shown = by_name({"cpu_percent": measured, "temperature": measured})
    assert (shown["CPU"].words, shown["Temperature"].words) == (cpu, temperature)
