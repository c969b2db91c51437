"""Statements that are sent together."""

from __future__ import annotations

import pytest
from django.db import connection
from pytest_django import DjangoAssertNumQueries

from fleets.models import Organization
from fleets.postgres.round_trip import rows_of_each
from tests.at_once import WAIT, held_open, in_background

RENAME = "UPDATE fleets_organization SET name = name || %(more)s WHERE slug = %(slug)s RETURNING name"
READ = "SELECT name FROM fleets_organization WHERE slug = %(slug)s"


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
