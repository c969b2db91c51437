"""Marks tests by what they need: by their folder, and by the code that they and their fixtures reach."""

from __future__ import annotations

import inspect
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, Final

import pytest

TESTS: Final = Path(__file__).resolve().parent
PLACES: Final = {"browser": TESTS / "browser", "system": TESTS / "system"}
FIXTURES: Final = {  # and what they make
    "holder": "system",  # an embedded server of its own, which is killed
    "vpn": "system",  # machines with OpenVPN, as network namespaces
}
PROCESSES: Final = {subprocess, subprocess.Popen, subprocess.run}


def mark(item: pytest.Item) -> None:
    for marker, place in PLACES.items():
        if place in item.path.parents:
            item.add_marker(marker)
    if isinstance(item, pytest.Function):
        for fixture in FIXTURES.keys() & set(item.fixturenames):
            item.add_marker(FIXTURES[fixture])
        if any(map(starts_processes, _functions(item))):
            item.add_marker("processes")


def _functions(item: pytest.Function) -> Iterator[Any]:
    """The function of a test and those of the fixtures that it uses."""
    yield item.function
    for fixtures in item._fixtureinfo.name2fixturedefs.values():
        yield fixtures[-1].func


def starts_processes(function: Any) -> bool:
    """Whether a function names something that starts a process, directly or through code in tests/."""
    return not PROCESSES.isdisjoint(_reached(inspect.unwrap(function)))


@cache
def _reached(function: Callable[..., Any]) -> frozenset[Any]:
    """Everything that a function names, directly or through code in tests/."""
    reached: set[Any] = set()
    new = {function}
    while new:
        reached |= new
        new = set().union(*map(_named, new)) - reached
    return frozenset(reached)


@cache
def _named(thing: Any) -> frozenset[Any]:
    """What a function in tests/ names; for a class, what its methods name, and nothing for code elsewhere."""
    if not str(getattr(thing, "__module__", "")).startswith("tests."):
        return frozenset()
    if isinstance(thing, type):
        parts = (getattr(part, "fget", part) for part in vars(thing).values())
        return frozenset(part for part in parts if isinstance(part, FunctionType))
    names, known = set(_names(thing.__code__)), thing.__globals__
    places = [known, *(vars(known[name]) for name in names if _is_ours(known.get(name)))]
    found = (inspect.unwrap(place[name]) for place in places for name in names & place.keys())
    return frozenset(each for each in found if isinstance(each, FunctionType | type | ModuleType))


def _is_ours(thing: Any) -> bool:
    return isinstance(thing, ModuleType) and thing.__name__.startswith("tests.")


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
