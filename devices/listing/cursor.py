"""The orders of a list, and where in one of them rows are taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fleets.postgres.fragment import Fragment
from fleets.postgres.keyset import Key, Order, after_sql, order_sql, reverse

# The orders by name. A leading "-" in the address turns one around.
ORDERS: dict[str, Order] = {
    "attention": (Key("rank", int), Key("status_since", datetime, True), Key("pk", int, True)),
    "name": (Key("sort_name", str), Key("pk", int)),
    "contact": (Key("sort_contact", datetime, True), Key("pk", int, True)),
    "release": (Key("sort_release", str), Key("pk", int)),
}


@dataclass(frozen=True)
class Moved:
    """A device that is not as it is recorded, where a list by attention has it."""

    pk: int
    rank: int
    since: datetime


@dataclass(frozen=True)
class Cursor:
    """Where rows are taken: an order, perhaps reverse around, and the values of the row before; how many."""

    name: str
    backwards: bool
    values: Sequence[Any] | None
    size: int

    @property
    def falls(self) -> bool:
        """Whether the last keys, the id and the one it stands by, fall."""
        return ORDERS[self.name][-1].descending != self.backwards

    @property
    def way(self) -> str:
        return "DESC" if self.falls else "ASC"

    @property
    def beyond(self) -> str:
        """The comparison of a row's last keys with those of the row before."""
        return "<" if self.falls else ">"

    @property
    def order(self) -> str:
        """The order of rows that are given as id, by attention rank, and key."""
        return order_sql(self._order, self._given)

    def after(self, *columns: str) -> Fragment:
        """The condition for rows behind the place, which have their keys in these columns."""
        return after_sql(self._order, self.values, columns or self._given)

    @property
    def _order(self) -> Order:
        return reverse(ORDERS[self.name]) if self.backwards else ORDERS[self.name]

    @property
    def _given(self) -> Sequence[str]:
        return ("rank", "key", "id") if self.name == "attention" else ("key", "id")


def order_named(name: str) -> Order:
    """The order of that name, reverse around by a leading "-"; raises KeyError."""
    if name.startswith("-"):
        return reverse(ORDERS[name[1:]])
    return ORDERS[name]
