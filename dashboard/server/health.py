"""Health checks of a process that serves pages alone; devices/ingest/health.py has those of the ingest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async
from django import db

from devices.ingest.health import PATHS, say
from devices.ingest.http import send_reply
from fleets.postgres import availability

if TYPE_CHECKING:
    from asgiref.typing import ASGIReceiveCallable, ASGISendCallable


class Health:
    """ASGI middleware that answers health checks under any host by a query; it records no liveness."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] != "http" or scope["path"] not in PATHS:
            await self._app(scope, receive, send)
        elif scope["path"] == "/livez" or await sync_to_async(database_answers, thread_sensitive=False)():
            await send_reply(send, say(200, "OK\n"))
        else:
            await send_reply(send, say(503, "The database does not answer.\n"))


def database_answers() -> bool:
    try:
        with availability.connected(), db.connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except db.Error:
        return False
    return True
