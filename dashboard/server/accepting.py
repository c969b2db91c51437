"""Accepting connections, up to the limit of the process.

uvicorn accepts all connections until the process has no file descriptor left. Here, at the limit, a new
connection replaces the one that has waited longest for a request or for the rest of one. So a client that
sends its request is answered, however many others keep idle connections. While all connections are being
answered, new ones wait in the kernel.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Sequence
from typing import Final, Protocol, cast

logger = logging.getLogger(__name__)

BACKLOG: Final = 2048  # connections that wait in the kernel
TURN: Final = 32  # connections that are accepted before the event loop serves others
RETRY_DELAY: Final = 1.0  # seconds until the next attempt if the system grants no file descriptor


class Connection(Protocol):
    """A protocol of asyncio for one connection, which can be asked to close it."""

    def let_go(self) -> None: ...


class Accepting:
    """The open connections of one event loop, at most `most`, and the sockets that accept them."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: set[Connection] = set()
        self._waiting: dict[Connection, None] = {}  # connections without a complete request, longest first
        self._listeners: Sequence[socket.socket] = ()
        self._paused = True
        self._attaching: set[asyncio.Task[None]] = set()

    def start(self, listeners: Sequence[socket.socket], connection: Callable[[], Connection]) -> None:
        """Listen on these sockets; `connection` creates the protocol of each accepted connection."""
        self._connection, self._listeners = connection, listeners
        for listener in listeners:
            listener.setblocking(False)
            listener.listen(BACKLOG)
        self._resume()

    def stop(self) -> None:
        """Accept the connections that wait in the kernel, and close the sockets."""
        self._pause()
        listeners, self._listeners = self._listeners, ()
        for listener in listeners:
            self._accept(listener)
            listener.close()

    # Called by connections

    def waits(self, connection: Connection) -> None:
        """Note that the connection is idle, or its request incomplete, so that it may be closed."""
        self._waiting[connection] = None
        self._resume()

    def works(self, connection: Connection) -> None:
        """Note that the connection's request is complete and being answered."""
        self._waiting.pop(connection, None)

    def left(self, connection: Connection) -> None:
        """Note that the connection is closed."""
        self._waiting.pop(connection, None)
        self._open.discard(connection)
        self._resume()

    # Accepting

    def _resume(self) -> None:
        if self._paused and self._listeners:
            self._paused = False
            for listener in self._listeners:
                asyncio.get_running_loop().add_reader(listener, self._accept, listener)

    def _pause(self) -> None:
        if not self._paused:
            self._paused = True
            for listener in self._listeners:
                asyncio.get_running_loop().remove_reader(listener)

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(TURN):
            full = len(self._open) >= self._most
            if full and not self._waiting:
                self._pause()  # until one is closed, or waits
                return
            try:
                accepted, _ = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                logger.warning("no connection is accepted for a second: %s", error)
                self._pause()
                asyncio.get_running_loop().call_later(RETRY_DELAY, self._resume)
                return
            if full:
                self._let_one_go()
            self._let_in(accepted)

    def _let_one_go(self) -> None:
        longest = next(iter(self._waiting))
        del self._waiting[longest]
        self._open.discard(longest)
        longest.let_go()

    def _let_in(self, accepted: socket.socket) -> None:
        accepted.setblocking(False)
        connection = self._connection()
        self._open.add(connection)
        task = asyncio.get_running_loop().create_task(self._attach(connection, accepted))
        self._attaching.add(task)
        task.add_done_callback(self._attaching.discard)

    async def _attach(self, connection: Connection, accepted: socket.socket) -> None:
        protocol = cast("asyncio.Protocol", connection)
        try:
            await asyncio.get_running_loop().connect_accepted_socket(lambda: protocol, accepted)
        except OSError:  # the client has closed it already
            accepted.close()
            self.left(connection)
