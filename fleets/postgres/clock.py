"""The database's clock: the only clock that anything is dated by (domain.md, Times)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from django.db import connection
from django.db.models import DateTimeField, Func


def DatabaseClock() -> Func:  # noqa: N802 - reads like the functions of the ORM
    """The moment the statement began, in SQL; unlike Now() it moves within a transaction.

    A function of Django's own: migrations hold its SQL, and import nothing.
    """
    return Func(template="STATEMENT_TIMESTAMP()", output_field=DateTimeField())


class Newest:
    """The newest time that this process read: a clock that shows less was set back."""

    at: datetime = datetime.min.replace(tzinfo=UTC)

    def note(self, at: datetime) -> None:
        self.at = max(self.at, at)


NEWEST: Final = Newest()


def now() -> datetime:
    """What it shows, with time zone. Read once at the edge, then passed on as `at`."""
    at = look()
    NEWEST.note(at)
    return at


def look() -> datetime:
    """What it shows, for who compares it with the newest time before that counts as read."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT STATEMENT_TIMESTAMP()")
        (at,) = cursor.fetchone()
    return at  # type: ignore[no-any-return]
