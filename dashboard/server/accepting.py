"""Accepts connections, never more than the process has room for.

uvicorn accepts all that come, until the process has no file descriptor left for anything. Here, where there
is no room, the connection that has waited longest, for a request or for the rest of one, is closed for the
one that comes: a caller that gets to the point is answered, however many others hold connections and say
nothing. While all are being answered, the next wait in the kernel.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Sequence
from typing import Final, Protocol, cast

logger = logging.getLogger(__name__)

BACKLOG: Final = 2048  # connections that wait in the kernel
TURN: Final = 32  # connections accepted before others are served again
REST: Final = 1.0  # seconds until another attempt, where the system grants no descriptor


class Connection(Protocol):
    """What speaks for a caller: a protocol of asyncio that can be told to end."""

    def let_go(self) -> None: ...


class Accepting:
    """The connections of one event loop, and the sockets that they come from."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: set[Connection] = set()
        self._waiting: dict[Connection, None] = {}  # those for which nothing is being done, the longest first
        self._listeners: Sequence[socket.socket] = ()
        self._paused = True
        self._attaching: set[asyncio.Task[None]] = set()

    def start(self, listeners: Sequence[socket.socket], connection: Callable[[], Connection]) -> None:
        """Accept at these sockets; `connection` makes what speaks for each that comes."""
        self._connection, self._listeners = connection, listeners
        for listener in listeners:
            listener.setblocking(False)
            listener.listen(BACKLOG)
        self._resume()

    def stop(self) -> None:
        """Accept who waits in the kernel already, and no more."""
        self._pause()
        listeners, self._listeners = self._listeners, ()
        for listener in listeners:
            self._accept(listener)
            listener.close()

    # What a connection tells

    def waits(self, connection: Connection) -> None:
        """It is idle, or its request is not whole."""
        self._waiting[connection] = None
        self._resume()

    def works(self, connection: Connection) -> None:
        """Its request is whole, and is being answered."""
        self._waiting.pop(connection, None)

    def left(self, connection: Connection) -> None:
        """It is closed."""
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
                asyncio.get_running_loop().call_later(REST, self._resume)
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
        except OSError:  # it is gone already
            accepted.close()
            self.left(connection)
