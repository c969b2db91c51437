"""Log streams of supervisors: read to their end, and not stored (protocol.md).

A supervisor holds one request open for as long as it has something to log, and ends it a minute later. It
takes any earlier reply for an error, and retries after 5 s, then after twice as long each time, up to 5 min
(older ones: after 20 s), and keeps its last lines meanwhile. Where too many streams are open, another is
refused.
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

PER_KEY: Final = 2  # streams of one key: the next may begin before the end of the last is noticed
QUIET_END: Final = 90.0  # seconds without a byte, after which a stream ends; supervisors end it after 60
LONGEST: Final = 3600.0  # seconds that a stream lasts at most, so that others get their turn


async def drop(request: Request, ingest: Ingest) -> Reply:
    """Read and drop the body until it ends, pauses for QUIET_END or lasted LONGEST.

    Raises Refused (429, 503) where too many streams are open, and Disconnected.
    """
    with ingest.log_streams.counted(hash(request.key), PER_KEY, capacity.share()):
        try:
            async with asyncio.timeout(LONGEST * random.uniform(0.8, 1)):  # not all come again together
                await _drain(request.receive)
        except TimeoutError:  # the rest of the body is not waited for
            return Reply(201, headers=((b"connection", b"close"),))
    return Reply(201)


async def _drain(receive: ASGIReceiveCallable) -> None:
    """Read and drop a body to its end. Raises TimeoutError, Disconnected."""
    while True:
        async with asyncio.timeout(QUIET_END):
            message = await receive()
        if message["type"] != "http.request":
            raise Disconnected
        if not message.get("more_body", False):
            return
