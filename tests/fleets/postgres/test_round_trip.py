"""Statements that are sent together."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import Error, ProgrammingError, connection, transaction

from devices.ingest.database import in_database
from fleets.models import Organization
from fleets.postgres import round_trip
from fleets.postgres.round_trip import rows_of_each
from tests.at_once import WAIT, held_open, in_background
from tests.factories import T0

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_django import DjangoAssertNumQueries, Settings

RENAME = "UPDATE fleets_organization SET name = name || %(more)s WHERE slug = %(slug)s RETURNING name"
READ = "SELECT name FROM fleets_organization WHERE slug = %(slug)s"


@pytest.fixture(autouse=True, params=[True, False], ids=["prepared", "whole"])
def _sent(request: pytest.FixtureRequest, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.PREPARED_STATEMENTS = request.param
    monkeypatch.setattr(round_trip, "_not_kept", threading.Event())


@pytest.mark.django_db
def test_each_sees_what_those_before_it_wrote(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    Organization.objects.create(name="Tram", slug="tram")
    with django_assert_num_queries(1):
        rows = rows_of_each((READ, RENAME, READ, "SELECT 1 WHERE false"), {"slug": "tram", "more": "s"})
    assert rows == [[("Tram",)], [("Trams",)], [("Trams",)], []]


@pytest.mark.django_db(transaction=True)
def test_each_sees_what_was_committed_while_those_before_it_waited() -> None:
    Organization.objects.create(name="Tram", slug="tram")
    seen = []

    def read() -> None:
        lock = "SELECT id FROM fleets_organization WHERE slug = %(slug)s FOR UPDATE"
        seen.append(rows_of_each((READ, lock, READ), {"slug": "tram"}))

    def rename() -> None:
        with connection.cursor() as cursor:
            cursor.execute(RENAME, {"slug": "tram", "more": "s"})

    with held_open(rename):
        waiting = in_background(read)
    waiting.join(WAIT)
    ((before, _, after),) = seen
    assert (before, after) == ([("Tram",)], [("Trams",)])


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("value", "said"),
    [
        *[(value, "%(value)s") for value in (None, True, 7, -(2**31), 2**31, 1.5, "it's 100 %", b"\x00", T0)],
        *[
            (value, "%(value)s")
            for value in (timedelta(days=40, seconds=0.5), [7, None, 2**40], [T0], [b"\x01"])
        ],
        *[(value, "%(value)s::text[]") for value in (["a b", None], [None], [])],
        ([], "%(value)s::bigint[]"),
    ],
)
def test_parameters_are_what_they_are_in_the_statement(value: Any, said: str) -> None:
    statements = (f"SELECT {said}, '100 %%', {said}", "SELECT 1")
    assert rows_of_each(statements, {"value": value}) == [[(value, "100 %", value)], [(1,)]]


@pytest.mark.django_db
def test_a_statement_that_returns_no_rows_has_none() -> None:
    Organization.objects.create(name="Tram", slug="tram")
    rename = RENAME.removesuffix(" RETURNING name")
    assert rows_of_each((rename, READ), {"slug": "tram", "more": "s"}) == [[], [("Trams",)]]


@pytest.mark.django_db
def test_a_statement_is_prepared_once_for_a_connection_and_types(settings: Settings) -> None:
    statement = f"SELECT %(value)s AS {'prepared' if settings.PREPARED_STATEMENTS else 'whole'}"
    for value in (1, 2, 2**40, 2**41):
        assert rows_of_each((statement,), {"value": value, "other": None}) == [[(value,)]]
    prepared = "SELECT count(*) FROM pg_prepared_statements WHERE right(statement, 12) = right(%(like)s, 12)"
    assert rows_of_each((prepared,), {"like": statement}) == [[(2 if settings.PREPARED_STATEMENTS else 0,)]]


@pytest.mark.django_db
def test_an_error_is_that_of_the_statement_and_the_next_one_is_answered() -> None:
    for _ in range(2):
        with pytest.raises(ProgrammingError, match="nowhere"), transaction.atomic():
            rows_of_each(("SELECT 1", "SELECT * FROM nowhere"), {})
        assert rows_of_each(("SELECT 1",), {}) == [[(1,)]]


COUNT = "SELECT number FROM counted"
GONE = {
    "discarded": "DISCARD PLANS; DEALLOCATE ALL",
    "of another type": "ALTER TABLE counted ALTER number TYPE bigint",
    "of another session": f"DEALLOCATE ALL; {round_trip.prepared('SELECT 7 AS number', ()).prepare}",
}


@pytest.fixture
def counted(transactional_db: None) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE counted AS SELECT 7 AS number")
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE counted")


@pytest.mark.usefixtures("counted")
@pytest.mark.parametrize("happens", GONE.values(), ids=GONE)
def test_where_what_was_prepared_is_gone_statements_are_sent_whole(settings: Settings, happens: str) -> None:
    """As behind a PgBouncer that the settings do not name, which gives each transaction another session."""

    def read() -> list[list[tuple[Any, ...]]]:
        return rows_of_each((COUNT, "SELECT 7 AS number"), {})

    def work() -> list[list[tuple[Any, ...]]]:
        assert read() == [[(7,)], [(7,)]]
        with connection.cursor() as cursor:
            cursor.execute(happens)
        if "PREPARE" in happens:
            round_trip._prepared.clear()
        return read()

    if settings.PREPARED_STATEMENTS:
        with pytest.raises(Error):
            work()
        round_trip._not_kept.clear()
    assert in_database(work) == [[(7,)], [(7,)]]
