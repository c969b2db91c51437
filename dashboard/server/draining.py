"""A process that is asked to end first says so: load balancers lead nobody here before its socket closes.

It also ends each connection with the next answer. A caller that keeps its connection would send its next
call just when that is closed, and could not know whether the call counted; nginx fails a POST so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from asgiref.typing import ASGIReceiveCallable, ASGISendCallable, ASGISendEvent

SECONDS: Final = 2.0  # in which a load balancer that asks every second notices
LAST: Final = 0.5  # seconds in which connections that were there before the socket closed send their call
HEALTH: Final = "/healthz"
BODY: Final = b"This process is about to end.\n"
CLOSE: Final = (b"connection", b"close")
HEADERS: Final = [
    (b"content-type", b"text/plain; charset=utf-8"),
    (b"content-length", b"%d" % len(BODY)),
    (b"cache-control", b"no-store"),
    CLOSE,
]


class Draining:
    """An ASGI app around any other: once `begun`, its health is 503; all else is answered as before, once
    for each connection."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.begun = False

    async def __call__(self, scope: Any, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if not self.begun or scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["path"] == HEALTH:
            await send({"type": "http.response.start", "status": 503, "headers": HEADERS, "trailers": False})
            await send({"type": "http.response.body", "body": BODY, "more_body": False})
        else:
            await self._app(scope, receive, closing(send))


def closing(send: ASGISendCallable) -> ASGISendCallable:
    """The same, but the connection ends with the answer."""

    async def send_last(event: ASGISendEvent) -> None:
        if event["type"] == "http.response.start":
            event = {**event, "headers": [*event["headers"], CLOSE]}
        await send(event)

    return send_last
