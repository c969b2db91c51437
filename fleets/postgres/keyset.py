"""Pages by keyset: a page begins after the last row of the one before, wherever that row has gone since.

A cursor is the sort key of a row with its id, readable in the address; no OFFSET, so the last page is as
fast as the first. Rows that share a key stand by id.
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

Value = int | str | datetime
BIGGEST = 2**63 - 1


class UnreadableCursor(ValueError):
    """A cursor that no page of this order has given out."""


@dataclass(frozen=True)
class Key:
    """One column of an order: the annotation or field it reads, its type, and its direction."""

    name: str
    type: type[Value]
    descending: bool = False

    def reversed(self) -> Key:
        return Key(self.name, self.type, not self.descending)


@dataclass(frozen=True)
class Page(Generic[M]):
    """The rows of a page, the cursors of its neighbours, and whether its own cursor lay past the end."""

    rows: list[M]
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
    """The values of a cursor; raises UnreadableCursor where they do not fit the order."""
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
        value.encode()  # a lone surrogate is no text: UnicodeEncodeError is a ValueError
        return value
    elif kind is int and type(value) is int and -BIGGEST <= value <= BIGGEST:
        return value
    raise UnreadableCursor


def turned(order: Order) -> Order:
    """The order turned around."""
    return tuple(key.reversed() for key in order)


def after(order: Order, values: Sequence[Any]) -> Q:
    """Rows beyond these values in this order."""
    beyond, same = Q(pk__in=[]), Q()
    for key, value in zip(order, values, strict=True):
        beyond |= same & Q(**{f"{key.name}__{'lt' if key.descending else 'gt'}": value})
        same &= Q(**{key.name: value})
    first = order[0]  # an index on it can begin there, which the alternatives below do not tell it
    return Q(**{f"{first.name}__{'lte' if first.descending else 'gte'}": values[0]}) & beyond


def _take(rows: QuerySet[M], order: Order, size: int, values: list[Value] | None) -> list[M]:
    if values is not None:
        rows = rows.filter(after(order, values))
    return list(ordered(rows, order)[:size])


def ordered(rows: QuerySet[M], order: Order) -> QuerySet[M]:
    """All of them, in the order of the pages."""
    return rows.order_by(*(OrderBy(F(key.name), descending=key.descending) for key in order))


def after_sql(order: Order, values: Sequence[Any] | None, columns: Sequence[str] = ()) -> Fragment:
    """The condition in SQL of `after`, with its parameters; without values all rows are meant.

    `columns` hold the keys where they have other names. Keys that fall or rise together are compared as one
    row, at which an index on them can begin.
    """
    if not values:
        return "true", []
    keys = zip(order, columns or [key.name for key in order], values, strict=True)
    ways, params, same, equals = list[str](), list[Any](), "", list[Any]()
    for falls, run in groupby(keys, key=lambda item: item[0].descending):
        _, names, given = zip(*run, strict=True)
        row, its_values = _row(names), _row(["%s"] * len(given))
        ways.append(f"{same}{row} {'<' if falls else '>'} {its_values}")
        params += [*equals, *given]
        same += f"{row} = {its_values} AND "
        equals += given
    return f"({' OR '.join(ways)})", params


def _row(columns: Sequence[str]) -> str:
    return columns[0] if len(columns) == 1 else f"({', '.join(columns)})"


def order_sql(order: Order, columns: Sequence[str] = ()) -> str:
    """The order as SQL, behind ORDER BY; `columns` hold the keys where they have other names."""
    named = zip(order, columns or [key.name for key in order], strict=True)
    return ", ".join(f"{column}{' DESC' if key.descending else ''}" for key, column in named)


Take = Callable[[Order, int, "list[Value] | None"], "list[M]"]  # as _take, from somewhere


def page(rows: QuerySet[M], order: Order, size: int, *, after: str = "", before: str = "") -> Page[M]:
    """The page of `size` rows after or before a cursor, else the first one.

    `order` ends in a unique key and no key is null. Past the end is the last page.
    Raises UnreadableCursor.
    """
    return page_of(partial(_take, rows), order, size, after=after, before=before)


def page_of(take: Take[M], order: Order, size: int, *, after: str = "", before: str = "") -> Page[M]:
    """The same of rows that `take` finds: so many, in an order, behind the values of a row if given."""
    backwards = turned(order)
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
    rows: list[M], order: Order, *, more_before: bool, more_after: bool, past_end: bool = False
) -> Page[M]:
    return Page(
        rows,
        encode(rows[0], order) if rows and more_before else None,
        encode(rows[-1], order) if rows and more_after else None,
        past_end,
    )
