"""The orders of a list, and cursors: positions in them from which rows are taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fleets.postgres.fragment import Fragment
from fleets.postgres.keyset import Key, Order, after_sql, order_sql, reverse

# The orders by name. A leading "-" in the address reverses one.
ORDERS: dict[str, Order] = {
    "attention": (Key("rank", int), Key("status_since", datetime, True), Key("pk", int, True)),
    "name": (Key("sort_name", str), Key("pk", int)),
    "contact": (Key("sort_contact", datetime, True), Key("pk", int, True)),
    "release": (Key("sort_release", str), Key("pk", int)),
}


@dataclass(frozen=True)
class Moved:
    """A device that moved: its id, and its rank and since when it has it, by which attention sorts it."""

    pk: int
    rank: int
    since: datetime


@dataclass(frozen=True)
class Cursor:
    """A position in an order from which a number of rows is taken."""

    name: str  # of ORDERS
    backwards: bool  # whether the order is reversed
    values: Sequence[Any] | None  # the sort keys of the row before; None: from the beginning
    size: int  # the number of rows

    @property
    def falls(self) -> bool:
        """Whether the last two keys, the id among them, are in descending order."""
        return ORDERS[self.name][-1].descending != self.backwards

    @property
    def way(self) -> str:
        """SQL of the direction of the last two keys: DESC or ASC."""
        return "DESC" if self.falls else "ASC"

    @property
    def beyond(self) -> str:
        """The operator by which the last two keys of a row behind the cursor differ from those before it."""
        return "<" if self.falls else ">"

    @property
    def order(self) -> str:
        """SQL of the order of rows with the columns `id`, `key` and, by attention, `rank`."""
        return order_sql(self._order, self._given)

    def after(self, *columns: str) -> Fragment:
        """The condition for rows behind the cursor, whose sort keys are `columns` (or those of `order`)."""
        return after_sql(self._order, self.values, columns or self._given)

    @property
    def _order(self) -> Order:
        return reverse(ORDERS[self.name]) if self.backwards else ORDERS[self.name]

    @property
    def _given(self) -> Sequence[str]:
        return ("rank", "key", "id") if self.name == "attention" else ("key", "id")


def order_named(name: str) -> Order:
    """The order of that name, reversed by a leading "-". Raises KeyError."""
    if name.startswith("-"):
        return reverse(ORDERS[name[1:]])
    return ORDERS[name]
