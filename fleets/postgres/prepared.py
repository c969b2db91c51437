"""A prepared statement of an event loop, on a connection of its own: no thread and no cursor is needed.

It is planned once for each connection. It is sent by psycopg's functions of libpq, since a cursor would cost
as much as the statement.
"""

from __future__ import annotations

import asyncio
import logging
import os
from typing import TYPE_CHECKING, Any, Final

import psycopg
from django.conf import settings
from django.db import connection
from psycopg import pq
from psycopg.adapt import Transformer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg.pq.abc import PGconn, PGresult

logger = logging.getLogger(__name__)

RETRY_DELAY: Final = 1.0  # seconds after a connection was lost, or an attempt
PATIENCE: Final = 10.0  # seconds until the statement is prepared, or the connection is given up
# One plan, for arrays of any length: by the statement's own order of joins, each by an index. By statistics
# it would read whole tables where these were small when it was made, and go on so while they grow; so each
# row that is read costs as much as a page. Before PostgreSQL 18 what is off costs so much that each execution
# would be compiled just in time, for half a second.
ONE_PLAN: Final = """
SET plan_cache_mode = force_generic_plan; SET join_collapse_limit = 1; SET enable_seqscan = off;
SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_material = off; SET cpu_tuple_cost = 1;
SET jit = off
"""
NAME: Final = "prepared"


class Prepared:
    """A statement, in SQL with $1, $2 ..., that one event loop sends again and again."""

    def __init__(self, statement: str) -> None:
        self._statement = statement
        self._link: _Link | None = None

    @property
    def is_connected(self) -> bool:
        """Whether the statement can be sent, as far as is known."""
        return self._link is not None and not self._link.lost.is_set()

    async def keep_connected(self) -> None:
        """Connect, and again a while after the connection is lost, until cancelled.

        A statement that always fails, as on a server that has become a standby, loses it with each batch.
        """
        while True:
            try:
                await self._stay_connected()
            except (psycopg.Error, OSError) as error:
                why = str(error).partition("\n")[0] or "no answer"
                logger.info("no connection for a prepared statement: %s", why)
            await asyncio.sleep(RETRY_DELAY)

    async def rows(self, params: Sequence[bytes]) -> list[tuple[Any, ...]]:
        """The rows of the statement, with its parameters in the text format; one call at a time.

        They are durable when this returns. Raises psycopg.Error: then nothing is known of the transaction,
        and the connection is closed.
        """
        if self._link is None or self._link.lost.is_set():
            raise psycopg.OperationalError("there is no connection")
        return await self._link.rows(params)

    async def _stay_connected(self) -> None:
        """Connect, until the connection is lost.

        Raises psycopg.Error or OSError (TimeoutError) where the database is away or does not answer.
        """
        opened = await psycopg.AsyncConnection.connect(
            settings.DATABASE_DIRECT_URL,
            dbname=connection.settings_dict["NAME"],
            application_name=NAME,
            autocommit=True,
        )
        try:
            async with asyncio.timeout(PATIENCE):
                await opened.execute(ONE_PLAN)
                await opened.execute(f"PREPARE {NAME} AS {self._statement}".encode())
            self._link = link = _Link(opened)
            await link.lost.wait()
        finally:
            if self._link is not None:
                self._link.lose(psycopg.OperationalError("the connection was closed"))
                self._link = None
            await opened.close()


class _Link:
    """A connection on which the statement is prepared, read by the event loop; `lost`: it is of no use."""

    def __init__(self, opened: psycopg.AsyncConnection[Any]) -> None:
        self.lost = asyncio.Event()
        self._libpq: PGconn = opened.pgconn
        # A duplicate, as libpq closes its own where it finds the connection broken: then an event loop can no
        # longer remove it, and another thread may have opened a file of that number.
        self._socket = os.dup(self._libpq.socket)
        self._loop = asyncio.get_running_loop()
        self._transformer = Transformer(opened)
        self._answers: list[PGresult] = []
        self._awaited: asyncio.Future[PGresult] | None = None
        self._loop.add_reader(self._socket, self._read)

    async def rows(self, params: Sequence[bytes]) -> list[tuple[Any, ...]]:
        try:
            self._libpq.send_query_prepared(NAME.encode(), params, None, pq.Format.BINARY)
            self._awaited = self._loop.create_future()
            self._write()
            answer = await self._awaited
            if answer.status != pq.ExecStatus.TUPLES_OK:
                raise psycopg.errors.error_from_result(answer)
        except psycopg.Error as error:
            self.lose(error)
            raise
        self._transformer.set_pgresult(answer)
        return self._transformer.load_rows(0, answer.ntuples, tuple)

    def lose(self, error: psycopg.Error) -> None:
        """Use the connection no longer; who waits for an answer gets `error`."""
        if self.lost.is_set():
            return
        self.lost.set()
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        os.close(self._socket)
        if self._awaited and not self._awaited.done():
            self._awaited.set_exception(error)

    def _write(self) -> None:
        try:
            if self._libpq.flush():
                self._loop.add_writer(self._socket, self._write)
            else:
                self._loop.remove_writer(self._socket)
        except psycopg.Error as error:
            self.lose(error)

    def _read(self) -> None:
        """Read what has come. The answer is complete when libpq has no more, so the transaction has ended."""
        try:
            self._libpq.consume_input()
            while self._awaited and not self._awaited.done() and not self._libpq.is_busy():
                if (answer := self._libpq.get_result()) is not None:
                    self._answers.append(answer)
                elif self._answers:
                    self._awaited.set_result(self._answers.pop())
                    self._answers.clear()
                else:
                    raise psycopg.OperationalError("the connection was lost")
        except psycopg.Error as error:
            self.lose(error)
