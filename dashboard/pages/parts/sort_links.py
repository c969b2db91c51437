"""The links by which a list is sorted: its menu of orders and its column heads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.http import HttpRequest

from dashboard.pages.parts.address import address


@dataclass(frozen=True)
class Choice:
    """One entry of a menu: its words, its address, and whether it is in force."""

    words: str
    address: str
    chosen: bool


@dataclass(frozen=True)
class Sort:
    """A column head: its address, and how the list stands by it now ("ascending", "descending" or "none")."""

    address: str
    state: str


def sort_menu(request: HttpRequest, names: Mapping[str, str], sort: str) -> list[Choice]:
    """The orders of these names, with their words."""
    return [
        Choice(words, _sorted_by(request, name), sort.removeprefix("-") == name)
        for name, words in names.items()
    ]


def sort_head(request: HttpRequest, name: str, sort: str) -> Sort:
    """The head of a column: the first press sorts by it, the next one turns it around."""
    backwards = sort.startswith("-")
    if sort.removeprefix("-") != name:
        return Sort(_sorted_by(request, name), "none")
    # Most, newest or worst first is the natural way of these, and reads downwards.
    falls = (name in ("contact", "attention", "devices", "change", "since")) != backwards
    turned = name if backwards else f"-{name}"
    return Sort(_sorted_by(request, turned), "descending" if falls else "ascending")


def _sorted_by(request: HttpRequest, name: str) -> str:
    """This page in that order; by attention without a word of it, as that is the usual one."""
    return address(request, sort=None if name == "attention" else name)
