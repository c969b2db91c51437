"""A process that is asked to end first says so: load balancers lead nobody here before its socket closes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from asgiref.typing import ASGIReceiveCallable, ASGISendCallable

SECONDS: Final = 2.0  # in which a load balancer that asks every second notices
HEALTH: Final = "/healthz"
BODY: Final = b"This process is about to end.\n"
HEADERS: Final = [
    (b"content-type", b"text/plain; charset=utf-8"),
    (b"content-length", b"%d" % len(BODY)),
    (b"cache-control", b"no-store"),
]


class Draining:
    """An ASGI app around any other: once `begun`, its health is 503; all else is answered as before."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.begun = False

    async def __call__(self, scope: Any, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if not self.begun or scope["type"] != "http" or scope["path"] != HEALTH:
            await self._app(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 503, "headers": HEADERS, "trailers": False})
        await send({"type": "http.response.body", "body": BODY, "more_body": False})
