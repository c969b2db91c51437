"""Dating answers: each has one header `Date`, its own if it has one.

A relayed answer brings the date of the API that made it. uvicorn would add a second one.
"""

from __future__ import annotations

import time
from email.utils import formatdate
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asgiref.typing import ASGIReceiveCallable, ASGISendCallable, ASGISendEvent


class Dated:
    """ASGI middleware that adds the date to answers without one."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        async def send_dated(event: ASGISendEvent) -> None:
            if event["type"] == "http.response.start" and not _is_dated(event["headers"]):
                event = {**event, "headers": [date(int(time.time())), *event["headers"]]}
            await send(event)

        await self._app(scope, receive, send_dated if scope["type"] == "http" else send)


def _is_dated(headers: Any) -> bool:
    return b"date" in [name.lower() for name, _ in headers]


@lru_cache(maxsize=1)
def date(seconds: int) -> tuple[bytes, bytes]:
    """The header of a time, in seconds since 1970."""
    return b"date", formatdate(seconds, usegmt=True).encode()
