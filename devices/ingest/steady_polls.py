"""Steady polls, committed in batches by a prepared statement; all others go the way of contacts."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import psycopg

from devices.connectivity import steady
from devices.ingest.group_commit import Batches
from devices.keys import KeyHolder
from fleets.postgres.prepared import Prepared

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

logger = logging.getLogger("devices.ingest")


class SteadyPolls(Batches[steady.Poll, KeyHolder | None]):
    """Gives for each poll its device if it was steady and is durable; None: nothing was written.

    `polled` is called where the database has recorded a poll.
    """

    def __init__(self, polled: Callable[[], None]) -> None:
        super().__init__()
        self._polled = polled
        self._database = Prepared(steady.statement())

    @property
    def can_commit(self) -> bool:
        """Whether the database can be asked, as far as is known, and one more poll has room."""
        return self._database.is_connected and self.has_room()

    async def keep_connected(self) -> None:
        """Keep a connection to the database, until cancelled."""
        await self._database.keep_connected()

    def written(self, results: Sequence[KeyHolder | Exception | None]) -> int:
        """All but those that go the other way, in a batch of which they are counted."""
        return len(results) - results.count(None)

    async def commit(self, items: list[steady.Poll]) -> Sequence[KeyHolder | None]:
        """As it says; where the database fails, whatever the reason, the other way finds out."""
        polls = steady.by_digest(items)
        try:
            rows = await self._database.rows(steady.parameters(polls))
        except psycopg.Error as error:
            logger.info("steady polls go the other way: %s", str(error).partition("\n")[0])
            return [None] * len(items)
        found = steady.extended(rows, polls)
        if found:
            self._polled()
        return [found.get(poll) for poll in items]
