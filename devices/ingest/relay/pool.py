"""Connections to APIs that are kept for the next call, for less time than an API keeps them."""

from __future__ import annotations

import asyncio
import ssl
from collections import defaultdict, deque
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from devices.ingest.relay.connection import Connection, Failed, Unreachable
from devices.sources.addresses import NotAllowed, check

REST: Final = 3.5  # seconds that a connection is kept at rest: the API closes it after 5
CONNECT: Final = 5.0  # seconds until a connection must be there
PORTS: Final = {"http": 80, "https": 443}


class Address(NamedTuple):
    """Where an API listens."""

    host: str
    port: int
    secure: bool

    @classmethod
    def of(cls, text: str) -> Address:
        """The address of a text such as https://api.example:8443. Raises ValueError."""
        parts = urlsplit(text)
        if parts.scheme not in PORTS or not parts.hostname:
            raise ValueError(f"{text} is no address of an API.")
        return cls(parts.hostname, parts.port or PORTS[parts.scheme], parts.scheme == "https")


class Pool:
    """The connections of one event loop that are at rest, by address, the one used last at the end."""

    def __init__(self) -> None:
        self._resting: defaultdict[Address, deque[Connection]] = defaultdict(deque)
        self._secure = ssl.create_default_context()

    async def take(self, address: Address, *, fresh: bool = False) -> Connection:
        """A connection to this address, a `fresh` one or one that has rested. Raises Failed."""
        resting = self._resting[address]
        while resting and not fresh:
            connection = resting.pop()
            if connection.take():
                return connection
        return await self._connect(address)

    def give_back(self, address: Address, connection: Connection) -> None:
        """Keep a connection after its call if it can make another one, else close it."""
        if not connection.is_kept():
            connection.abort()
            return
        resting = self._resting[address]
        while resting and not resting[0].is_usable():  # those that rested longest
            resting.popleft()
        connection.rests(REST)
        resting.append(connection)

    def close(self) -> None:
        """Close the connections at rest, at once: the event loop may end before TLS has said goodbye."""
        for resting in self._resting.values():
            for connection in resting:
                connection.abort()
        self._resting.clear()

    async def _connect(self, address: Address) -> Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT):
                transport, connection = await loop.create_connection(
                    Connection, address.host, address.port, ssl=self._secure if address.secure else None
                )
        except (OSError, TimeoutError) as error:
            raise Unreachable(f"The API cannot be reached: {type(error).__name__}") from error
        try:
            check(address.host, transport.get_extra_info("peername")[0])
        except NotAllowed as refused:
            transport.abort()
            raise Failed(str(refused)) from refused
        return connection
