"""Calls to the ASGI app without a server, many at once in one event loop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from asgiref.typing import HTTPScope
from django.db import connection

from devices.ingest import offered
from devices.ingest.app import Ingest
from devices.ingest.native import calls as native
from devices.ingest.rate_limits import RateLimits, Size
from devices.ingest.supervisor import calls as supervisor
from devices.models import ApiKey
from tests.devices.ingest.client import Answer


def scope(
    method: str, path: str, key: str | None = None, *, peer: str | None = "198.51.100.1", **more: str
) -> HTTPScope:
    path = path if path.startswith("/") else f"/api/v1/{path}"
    headers = [(name.replace("_", "-").encode(), value.encode()) for name, value in more.items()]
    if key is not None:
        headers.append((b"authorization", b"Bearer " + key.encode()))
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "client": (peer, 40000) if peer is not None else None,
        "server": ("127.0.0.1", 80),
        "state": {},
        "extensions": {},
    }


async def ask(app: Ingest, asked: HTTPScope, *messages: dict[str, Any]) -> Answer | None:
    """The answer to this request, whose body comes in these messages; None if there is none."""
    coming = list(messages) or [body_message(b"")]
    sent: list[Any] = []

    async def receive() -> Any:
        return coming.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    if any(message != body_message(b"") for message in messages):
        asked["headers"] = [*asked["headers"], (b"transfer-encoding", b"chunked")]
    if at_once := await _at_once(app, asked):
        return _answer(at_once.status, at_once.headers, at_once.body)
    await app(asked, receive, send)
    if not sent:
        return None
    start, body = sent
    return _answer(start["status"], start["headers"], body["body"])


async def _at_once(app: Ingest, asked: HTTPScope) -> offered.Answer | None:
    """The answer of the app to a request that it takes, as a server offers each."""
    answers: asyncio.Queue[offered.Answer | None] = asyncio.Queue()
    return await answers.get() if app.at_once.take(asked, answers.put_nowait) else None


def _answer(status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> Answer:
    return Answer(status, body.decode(), {name.decode(): value.decode() for name, value in headers})


def body_message(body: Any, *, more: bool = False) -> dict[str, Any]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return {"type": "http.request", "body": raw, "more_body": more}


async def heartbeat(app: Ingest, key: str, body: Any = b"", **headers: str) -> Answer:
    answer = await ask(app, scope("POST", "heartbeat", key, **headers), body_message(body))
    assert answer is not None
    return answer


async def register(app: Ingest, key: str, body: Any) -> Answer:
    answer = await ask(app, scope("POST", "register", key), body_message(body))
    assert answer is not None
    return answer


def unlimited() -> RateLimits:
    """For tests that call much more than anybody would."""
    unlimited = Size(rate=1e6, burst=10**6)
    return RateLimits(dict.fromkeys(ApiKey.Kind, unlimited), unlimited)


def run(work: Callable[[Ingest], Awaitable[Any]], rate_limits: RateLimits | None = None) -> Any:
    """Runs `work` with an app of its own, which is started and stopped as a server would do it."""

    async def main() -> Any:
        app = Ingest((*native.CALLS, *supervisor.CALLS), rate_limits or unlimited())
        connected = asyncio.create_task(app.steady.keep_connected())
        try:
            while not app.steady.can_commit:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.001)
            return await work(app)
        finally:
            await app.stop()
            connected.cancel()

    return asyncio.run(main())


def all_of(*calls: Callable[[Ingest], Awaitable[Answer]]) -> list[Answer]:
    """The answers to all these calls, made at once."""

    async def work(app: Ingest) -> list[Answer]:
        return await asyncio.gather(*(call(app) for call in calls))

    answers: list[Answer] = run(work)
    return answers


@contextmanager
def another_connection() -> Iterator[psycopg.Connection]:
    """A connection of its own, in a transaction, usable in any thread."""
    with psycopg.connect(**connection.get_connection_params()) as other:
        yield other


@contextmanager
def trouble(table: str, device: int | str, action: str, *, times: int = 10**6) -> Iterator[None]:
    """In PostgreSQL itself: this SQL happens, so many times, to whoever writes this device's row.

    `device` is its id, or in its own table its UUID.
    """
    column = "device_id" if table != "devices_device" else "id" if isinstance(device, int) else "uuid"
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            CREATE SEQUENCE trouble_times;
            CREATE FUNCTION trouble() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF nextval('trouble_times') <= {times} THEN {action}; END IF;
                RETURN NEW;
            END $$;
            CREATE TRIGGER trouble BEFORE INSERT OR UPDATE ON {table}
            FOR EACH ROW WHEN (NEW.{column} = '{device}') EXECUTE FUNCTION trouble();
            """
        )
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP FUNCTION trouble CASCADE; DROP SEQUENCE trouble_times")
