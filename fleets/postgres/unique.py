"""Violations of unique constraints as exceptions of the domain."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import IntegrityError, transaction
from psycopg.errors import UniqueViolation


@contextmanager
def unique_violation(translate: Callable[[str], Exception | None]) -> Iterator[None]:
    """Write in a savepoint, and raise an exception of the domain if a unique constraint is violated.

    `translate` takes the name of the constraint, may query the database, and returns the exception to raise;
    None: the IntegrityError is raised.
    """
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        if isinstance(error.__cause__, UniqueViolation):
            translated = translate(error.__cause__.diag.constraint_name or "")
            if translated is not None:
                raise translated from error
        raise
