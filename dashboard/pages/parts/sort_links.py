"""The links by which a list is sorted: its menu of orders and its column heads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.http import HttpRequest

from dashboard.pages.parts.address import address


@dataclass(frozen=True)
class Choice:
    """One entry of a menu: its words, its address, and whether it is the chosen one."""

    words: str
    address: str
    chosen: bool


@dataclass(frozen=True)
class Sort:
    """A column head: the address that sorts by it, and `aria-sort` (ascending, descending or none)."""

    address: str
    state: str


def sort_menu(request: HttpRequest, names: Mapping[str, str], sort: str) -> list[Choice]:
    """The menu of orders; `names` are their words by their name, `sort` the order in force."""
    return [
        Choice(words, _sorted_by(request, name), sort.removeprefix("-") == name)
        for name, words in names.items()
    ]


def sort_head(request: HttpRequest, name: str, sort: str) -> Sort:
    """The head of a column: following its link sorts by it, and again reverses the order."""
    backwards = sort.startswith("-")
    if sort.removeprefix("-") != name:
        return Sort(_sorted_by(request, name), "none")
    # These orders have the most, newest or worst first by themselves, so they are descending.
    descending = (name in ("contact", "attention", "devices", "change", "since")) != backwards
    opposite = name if backwards else f"-{name}"
    return Sort(_sorted_by(request, opposite), "descending" if descending else "ascending")


def _sorted_by(request: HttpRequest, name: str) -> str:
    """The address of this page in that order; the default order, attention, needs no parameter."""
    return address(request, sort=None if name == "attention" else name)
