"""Keyset pagination: a page begins after the sort key of the last row of the page before, without OFFSET.

So the last page is as fast as the first, and a page stays where it is when rows before it come or go. A
cursor is such a sort key, ending in a unique column, encoded for an address.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import groupby
from typing import Any, Generic, TypeVar

from django.db.models import F, Model, Q, QuerySet
from django.db.models.expressions import OrderBy

from fleets.postgres import moments
from fleets.postgres.fragment import Fragment

M = TypeVar("M", bound=Model)
R = TypeVar("R")  # what the rows of a page are read as

Value = int | str | datetime
BIGGEST = 2**63 - 1


class UnreadableCursor(ValueError):
    """The text is no cursor of this order."""


@dataclass(frozen=True)
class Key:
    """One column of an order: its annotation or field, the type of its values, and its direction."""

    name: str
    type: type[Value]
    descending: bool = False

    def reversed(self) -> Key:
        return Key(self.name, self.type, not self.descending)


@dataclass(frozen=True)
class Page(Generic[R]):
    """A page of rows; `previous` and `next` are cursors of its neighbours, None where there is none.

    `past_end`: no row was left after the requested cursor, so that this is the last page.
    """

    rows: list[R]
    previous: str | None
    next: str | None
    past_end: bool = False


Order = tuple[Key, ...]


def encode(row: object, order: Order) -> str:
    """The cursor of a row."""
    values = [getattr(row, key.name) for key in order]
    readable = [value.isoformat() if isinstance(value, datetime) else value for value in values]
    return urlsafe_b64encode(json.dumps(readable).encode()).decode().rstrip("=")


def decode(cursor: str, order: Order) -> list[Value]:
    """The values of a cursor, one per key of the order; raises UnreadableCursor if they do not fit it."""
    try:
        values = json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if not isinstance(values, list) or len(values) != len(order):
            raise UnreadableCursor
        return [_value(value, key.type) for value, key in zip(values, order, strict=True)]
    except (NotBase64, ValueError, TypeError, RecursionError) as error:
        raise UnreadableCursor from error


def _value(value: object, kind: type[Value]) -> Value:
    if kind is datetime and isinstance(value, str):
        if moment := moments.read(value):
            return moment
    elif kind is str and isinstance(value, str) and "\0" not in value:
        value.encode()  # raises UnicodeEncodeError, a ValueError, for a lone surrogate
        return value
    elif kind is int and type(value) is int and -BIGGEST <= value <= BIGGEST:
        return value
    raise UnreadableCursor


def reverse(order: Order) -> Order:
    """The order with each key in the opposite direction."""
    return tuple(key.reversed() for key in order)


def after(order: Order, values: Sequence[Any]) -> Q:
    """The condition for rows after these values, one per key, in this order."""
    later, equal = Q(pk__in=[]), Q()
    for key, value in zip(order, values, strict=True):
        later |= equal & Q(**{f"{key.name}__{'lt' if key.descending else 'gt'}": value})
        equal &= Q(**{key.name: value})
    first = order[0]  # said again by itself, so that a scan of an index on it can begin there
    return Q(**{f"{first.name}__{'lte' if first.descending else 'gte'}": values[0]}) & later


def _take(rows: QuerySet[M], order: Order, size: int, values: list[Value] | None) -> list[M]:
    if values is not None:
        rows = rows.filter(after(order, values))
    return list(ordered(rows, order)[:size])


def ordered(rows: QuerySet[M], order: Order) -> QuerySet[M]:
    """The rows sorted by this order."""
    return rows.order_by(*(OrderBy(F(key.name), descending=key.descending) for key in order))


def after_sql(order: Order, values: Sequence[Any] | None, columns: Sequence[str] = ()) -> Fragment:
    """SQL for the condition that rows come after these values, one per key; without values it is true.

    `columns` are the columns of the keys in SQL if they have other names. Neighbouring keys of one direction
    are compared as a row value, so that a scan of an index on them can begin there.
    """
    if not values:
        return "true", []
    keys = zip(order, columns or [key.name for key in order], values, strict=True)
    alternatives, params = list[str](), list[Any]()
    equal, equal_params = "", list[Any]()
    for descending, run in groupby(keys, key=lambda item: item[0].descending):
        _, names, run_values = zip(*run, strict=True)
        row, placeholders = _row(names), _row(["%s"] * len(run_values))
        alternatives.append(f"{equal}{row} {'<' if descending else '>'} {placeholders}")
        params += [*equal_params, *run_values]
        equal += f"{row} = {placeholders} AND "
        equal_params += run_values
    return f"({' OR '.join(alternatives)})", params


def _row(columns: Sequence[str]) -> str:
    return columns[0] if len(columns) == 1 else f"({', '.join(columns)})"


def order_sql(order: Order, columns: Sequence[str] = ()) -> str:
    """SQL to follow ORDER BY; `columns` are the columns of the keys in SQL if they have other names."""
    named = zip(order, columns or [key.name for key in order], strict=True)
    return ", ".join(f"{column}{' DESC' if key.descending else ''}" for key, column in named)


# Reads at most so many rows in an order, after the values of a cursor if there are any.
Take = Callable[[Order, int, "list[Value] | None"], "list[R]"]


def page(rows: QuerySet[M], order: Order, size: int, *, after: str = "", before: str = "") -> Page[M]:
    """The page of at most `size` rows after or before a cursor; without one the first page.

    `order` must end in a unique key, and no key may be null. If no row is left after the cursor, it is the
    last page. Raises UnreadableCursor.
    """
    return page_of(partial(_take, rows), order, size, after=after, before=before)


def page_of(take: Take[R], order: Order, size: int, *, after: str = "", before: str = "") -> Page[R]:
    """The page of at most `size` rows, read by `take`, after or before a cursor; without one the first page.

    `order` must end in a unique key, and no key may be null. If no row is left after the cursor, it is the
    last page. Raises UnreadableCursor.
    """
    backwards = reverse(order)
    if before:
        found = take(backwards, size + 1, decode(before, order))[::-1]
        if found:
            more, found = len(found) > size, found[-size:]
            return _page(found, order, more_before=more, more_after=True)
    elif after:
        found = take(order, size + 1, decode(after, order))
        if found:
            return _page(found[:size], order, more_before=True, more_after=len(found) > size)
        found = take(backwards, size + 1, None)[::-1]
        more, found = len(found) > size, found[-size:]
        return _page(found, order, more_before=more, more_after=False, past_end=True)
    found = take(order, size + 1, None)
    return _page(found[:size], order, more_before=False, more_after=len(found) > size)


def _page(
    rows: list[R], order: Order, *, more_before: bool, more_after: bool, past_end: bool = False
) -> Page[R]:
    return Page(
        rows,
        encode(rows[0], order) if rows and more_before else None,
        encode(rows[-1], order) if rows and more_after else None,
        past_end,
    )
