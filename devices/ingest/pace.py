"""How long a body may take: no wait for one is without an end, and a byte now and then prolongs none."""

from __future__ import annotations

import asyncio
from typing import Any


class Pace:
    """The deadline of a body: some seconds from now, and one more for each so many bytes that came."""

    def __init__(self, patience: float, rate: float) -> None:
        self._deadline = asyncio.get_running_loop().time() + patience
        self._rate = rate

    async def chunk(self, receive: Any) -> Any:
        """The next message of ASGI; raises TimeoutError where it is not there in time."""
        async with asyncio.timeout_at(self._deadline):
            message: Any = await receive()
        self._deadline += len(message.get("body", b"")) / self._rate
        return message
