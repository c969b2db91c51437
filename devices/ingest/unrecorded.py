"""Calls that the database could not record, such as polls, and whether it would record them now.

A database may record a liveness sign and refuse a poll: one whose disk is full still writes where a page has
room. So a process that refused calls leaves no sign until the database would record them.
"""

from __future__ import annotations

from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from django.db import transaction

from devices.ingest.http import NoDatabase
from fleets.postgres.availability import is_away

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Work = Callable[[], object]

MOST: Final = 20  # of them stand for all that are refused meanwhile


class Unrecorded:
    """The refused calls of one process, as what they do in the database: the first MOST, oldest first."""

    def __init__(self) -> None:
        self._works: deque[Work] = deque()

    @contextmanager
    def unless_done(self, work: Work) -> Iterator[None]:
        """Keeps `work`, a whole transaction, if the block raises NoDatabase instead of doing it."""
        try:
            yield
        except NoDatabase:
            if len(self._works) < MOST:
                self._works.append(work)
            raise

    def rehearse(self) -> None:
        """Do what was refused, and undo it; what the database takes now is forgotten.

        In a thread with a connection. Raises the error of the first that the database does not take.
        """
        while self._works:
            rehearse(self._works[0])
            self._works.popleft()


def rehearse(work: Work) -> None:
    """Do this and undo it. Raises the errors of a database that is unavailable, and no others."""
    try:
        with transaction.atomic():
            work()
            transaction.set_rollback(True)
    except Exception as error:  # a caller gets another answer to it than that of an unavailable database
        if is_away(error):
            raise
