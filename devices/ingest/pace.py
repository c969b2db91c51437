"""A deadline for a body that is extended by what arrives, so that a slow trickle of bytes ends too."""

from __future__ import annotations

import asyncio
from typing import Any


class Pace:
    """The deadline of a body: `patience` seconds from now, and one more for each `rate` bytes that came."""

    def __init__(self, patience: float, rate: float) -> None:
        self._deadline = asyncio.get_running_loop().time() + patience
        self._rate = rate

    async def chunk(self, receive: Any) -> Any:
        """The next ASGI message. Raises TimeoutError where it does not come before the deadline."""
        async with asyncio.timeout_at(self._deadline):
            message: Any = await receive()
        self._deadline += len(message.get("body", b"")) / self._rate
        return message
