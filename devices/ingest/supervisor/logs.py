"""Log streams of supervisors: read to their end, and not kept (protocol.md).

A supervisor holds one request open for as long as it has something to log, and ends it a minute after.
It takes any answer before that for an error, and comes again after 5 s, then after twice as long each time,
up to 5 min (older ones: after 20 s), and keeps its last lines meanwhile. One that finds no room is told so.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Final

from devices.ingest import capacity
from devices.ingest.http import Disconnected, Reply

if TYPE_CHECKING:
    from asgiref.typing import ASGIReceiveCallable

    from devices.ingest.app import Ingest
    from devices.ingest.http import Request

PER_KEY: Final = 2  # of one key: the next may begin before the end of the last was noticed
QUIET_END: Final = 90.0  # seconds without a byte; supervisors end a stream after 60
LONGEST: Final = 3600.0  # seconds at most, so that whoever waits for room gets some


async def drop(request: Request, ingest: Ingest) -> Reply:
    """Read it until it ends, falls silent, or had its time; raises Refused where too many are open."""
    with ingest.log_streams.one_more(hash(request.key), PER_KEY, capacity.share()):
        try:
            async with asyncio.timeout(LONGEST * random.uniform(0.8, 1)):  # not all come again together
                await _drain(request.receive)
        except TimeoutError:  # the rest of the body is not waited for
            return Reply(201, headers=((b"connection", b"close"),))
    return Reply(201)


async def _drain(receive: ASGIReceiveCallable) -> None:
    """Raises TimeoutError, Disconnected."""
    while True:
        async with asyncio.timeout(QUIET_END):
            message = await receive()
        if message["type"] != "http.request":
            raise Disconnected
        if not message.get("more_body", False):
            return
