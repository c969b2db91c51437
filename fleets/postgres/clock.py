"""The database's clock, the only one whose times are stored and compared (domain.md, Times)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from django.db import connection
from django.db.models import DateTimeField, Func


def DatabaseClock() -> Func:  # noqa: N802 - reads like the functions of the ORM
    """SQL for the moment at which the statement began, which moves within a transaction, unlike Now().

    It is a plain Func of Django, so that migrations have its SQL and import nothing of this site.
    """
    return Func(template="STATEMENT_TIMESTAMP()", output_field=DateTimeField())


class Newest:
    """The newest time that this process has read: if the clock shows less, it was set back."""

    at: datetime = datetime.min.replace(tzinfo=UTC)

    def note(self, at: datetime) -> None:
        self.at = max(self.at, at)


NEWEST: Final = Newest()


def now() -> datetime:
    """The present moment, in UTC; read it once where a request or a batch begins, and pass it on as `at`."""
    at = read()
    NEWEST.note(at)
    return at


def read() -> datetime:
    """The present moment, in UTC, without noting it in NEWEST, for code that compares the two."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT STATEMENT_TIMESTAMP()")
        (at,) = cursor.fetchone()
    return at  # type: ignore[no-any-return]
