"""Rows that nobody else may have: who comes second is told what is taken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import IntegrityError, transaction
from psycopg.errors import UniqueViolation


@contextmanager
def unique_violation(becomes: Callable[[str], Exception | None]) -> Iterator[None]:
    """Write in a savepoint; what is not unique becomes an exception of its own.

    `becomes` makes it of the name of the constraint, and may ask the database; None: it stays as it is.
    """
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        if isinstance(error.__cause__, UniqueViolation):
            taken = becomes(error.__cause__.diag.constraint_name or "")
            if taken is not None:
                raise taken from error
        raise
