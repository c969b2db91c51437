"""Draining: a process that is about to end answers 503 to health checks before it closes its socket.

So load balancers send nothing more. It also closes each connection after the next response: otherwise a
client could send its next call just when the connection closes, and not know whether it was received, for
which nginx fails a POST.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from asgiref.typing import ASGIReceiveCallable, ASGISendCallable, ASGISendEvent

SECONDS: Final = 2.0  # of draining, so that a load balancer that checks every second notices
LAST: Final = 0.5  # seconds after the socket is closed, in which accepted connections can send their call
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
    """ASGI middleware: once `begun`, health checks get 503 and each response closes its connection."""

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
    """A `send` that adds the header which closes the connection after the response."""

    async def send_last(event: ASGISendEvent) -> None:
        if event["type"] == "http.response.start":
            event = {**event, "headers": [*event["headers"], CLOSE]}
        await send(event)

    return send_last
