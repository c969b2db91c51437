"""What load balancers and a monitoring ask of a process that serves pages alone.

devices/ingest/health.py and devices/ingest/watched.py have what they ask of the ingest.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from asgiref.sync import sync_to_async
from django import db

from devices.ingest import watched
from devices.ingest.health import PATHS, say
from devices.ingest.http import NoDatabase, Refused, Reply, send_reply
from devices.metrics.scrapes import Scrapes
from fleets.postgres import availability

if TYPE_CHECKING:
    from collections.abc import Callable

    from asgiref.typing import ASGIReceiveCallable, ASGISendCallable

Result = TypeVar("Result")


class Health:
    """ASGI middleware that answers health checks and a monitoring under any host; it records no liveness."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._scrapes = Scrapes()

    async def __call__(self, scope: Any, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] == "http" and scope["path"] in watched.PATHS and watched.may_read(scope):
            await send_reply(send, await self._watched(scope))
        elif scope["type"] != "http" or scope["path"] not in PATHS:
            await self._app(scope, receive, send)
        elif scope["path"] == "/livez" or await sync_to_async(database_answers, thread_sensitive=False)():
            await send_reply(send, say(200, "OK\n"))
        else:
            await send_reply(send, say(503, "The database does not answer.\n"))

    async def _watched(self, scope: Any) -> Reply:
        try:
            return await watched.reply(scope, self._scrapes, in_a_thread)
        except Refused as refusal:
            return refusal.reply()


async def in_a_thread(work: Callable[[], Result]) -> Result:
    """The result of `work`, run in a thread with a connection. Raises Refused (503) without a database."""
    return await sync_to_async(partial(_connected, work), thread_sensitive=False)()


def _connected(work: Callable[[], Result]) -> Result:
    try:
        with availability.connected():
            return work()
    except db.Error as error:
        if availability.is_away(error):
            raise NoDatabase from error
        raise


def database_answers() -> bool:
    try:
        with availability.connected(), db.connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except db.Error:
        return False
    return True
