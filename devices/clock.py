"""The database's clock: the only clock facts are dated by (domain.md, Times)."""

from datetime import datetime

from django.db import connection
from django.db.models import DateTimeField, Func


class DatabaseClock(Func):
    """The moment the statement began, in SQL; unlike Now() it moves within a transaction."""

    template = "STATEMENT_TIMESTAMP()"
    output_field = DateTimeField()


def now() -> datetime:
    """The database's clock at this moment, with time zone. Read once at the edge, then passed on as `at`."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT STATEMENT_TIMESTAMP()")
        row: tuple[datetime] = cursor.fetchone()
    return row[0]
