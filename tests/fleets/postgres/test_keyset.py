"""The condition for rows behind a cursor, of which every list has the same one."""

from __future__ import annotations

from itertools import product

import pytest
from django.db import connection

from fleets.postgres.keyset import Key, Order, after_sql, order_sql, reverse

ROWS = list(product((1, 2), ("a", "b"), (1, 2, 3)))
ORDERS: list[Order] = [
    (Key("rank", int), Key("name", str), Key("id", int)),
    (Key("rank", int), Key("name", str, True), Key("id", int, True)),
    (Key("rank", int, True), Key("name", str), Key("id", int, True)),
    (Key("rank", int, True), Key("name", str, True), Key("id", int)),
]


@pytest.mark.django_db
@pytest.mark.parametrize("order", [*ORDERS, *map(reverse, ORDERS)])
def test_behind_each_row_are_those_that_the_order_has_behind_it(order: Order) -> None:
    def read(values: tuple[int, str, int] | None, *columns: str) -> list[tuple[int, str, int]]:
        where, params = after_sql(order, values, columns)
        rows = ", ".join(["(%s, %s, %s)"] * len(ROWS))
        named = ", ".join(columns or ("rank", "name", "id"))
        sql = f"SELECT * FROM (VALUES {rows}) AS rows ({named}) WHERE {where}"  # noqa: S608 - of our own
        sql += f" ORDER BY {order_sql(order, columns)}"
        with connection.cursor() as cursor:
            cursor.execute(sql, [*(each for row in ROWS for each in row), *params])
            found: list[tuple[int, str, int]] = cursor.fetchall()
        return found

    whole = read(None)
    assert sorted(whole) == ROWS
    for number, row in enumerate(whole, 1):
        assert read(row) == read(row, "r", "n", "i") == whole[number:]


def test_keys_that_run_together_are_compared_as_one_row() -> None:
    ranked = ORDERS[1]
    assert after_sql(ORDERS[0], (1, "a", 2)) == ("((rank, name, id) > (%s, %s, %s))", [1, "a", 2])
    assert after_sql(ranked, (1, "a", 2)) == (
        "(rank > %s OR rank = %s AND (name, id) < (%s, %s))",
        [1, 1, "a", 2],
    )
