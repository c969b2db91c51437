"""Requests and replies of the ingest: reading bodies within limits, refusing in JSON, sending."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

import msgspec

from devices.ingest.pace import Pace
from devices.operations import ceilings

if TYPE_CHECKING:
    from asgiref.typing import ASGIReceiveCallable, ASGISendCallable, HTTPScope

BODY_LIMIT: Final = 512 * 1024  # bytes
# A body has BODY_TIMEOUT seconds to arrive, and one more for each BODY_PACE bytes that came.
BODY_TIMEOUT: Final = 20.0
BODY_PACE: Final = 8 * 1024
ARRIVING: Final = 64 * 1024 * 1024  # bytes of all bodies of the process together, while they arrive

Headers = tuple[tuple[bytes, bytes], ...]

JSON: Final = b"application/json"
TEXT: Final = b"text/plain; charset=utf-8"
# Headers of all replies with a body: one may hold a key, so no cache keeps it, and no browser shows it as a
# page.
PRIVATE: Final = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)


class Reply(msgspec.Struct, frozen=True):
    """A response that is sent as a whole."""

    status: int
    body: bytes = b""
    headers: Headers = ()
    content_type: bytes = JSON


class Request(msgspec.Struct, frozen=True):
    """A request that was routed and admitted."""

    scope: HTTPScope
    receive: ASGIReceiveCallable  # the body of a call that reads it as a stream
    named: dict[str, str]  # the values of the groups in the call's path
    key: str  # empty for a call without a key
    body: bytes
    address: str  # of the caller; empty where it has none
    since: float  # seconds of the monotonic clock at which it came


class Refused(Exception):
    """A request that is refused, with an HTTP status.

    `field` names the part of the request at fault, if any.
    """

    def __init__(self, status: int, error: str, field: str = "", headers: Headers = ()) -> None:
        super().__init__(error)
        self.status = status
        self.field = field
        self.headers = headers

    def reply(self) -> Reply:
        """The reply that says so, in JSON."""
        content = {"error": str(self)} | ({"field": self.field} if self.field else {})
        return json_reply(self.status, content, self.headers)


class NoDatabase(Refused):
    """A request that is refused because the database is unavailable, or cannot record it."""

    def __init__(self) -> None:
        super().__init__(503, "The database does not answer. Try again later.")


class Disconnected(Exception):
    """The peer went away before its request was complete, so no reply is sent."""


def json_reply(status: int, content: Any, headers: Headers = ()) -> Reply:
    return Reply(status, msgspec.json.encode(content), headers)


def no_more(reached: ceilings.Reached) -> Refused:
    """A registration beyond a ceiling: 429 within an hour's, after which supervisors retry; 403 in all."""
    return Refused(429 if isinstance(reached, ceilings.KeyPaused) else 403, str(reached))


def unauthorized(error: str = "This key is not accepted here.") -> Refused:
    challenge = ((b"www-authenticate", b"Bearer"),)
    return Refused(401, error, "Authorization", challenge)


def busy() -> Refused:
    # No Retry-After: a supervisor would read its seconds as milliseconds (protocol.md).
    return Refused(503, "Too many calls are waiting. Try again later.")


def too_large() -> Refused:
    return Refused(413, f"A body has at most {BODY_LIMIT} bytes.", "body")


def too_slow() -> Refused:
    return Refused(408, "The body did not arrive in time.", "body", ((b"connection", b"close"),))


def header(scope: HTTPScope, name: bytes) -> bytes | None:
    """The first value of the header of that name (in lower case); None: there is none."""
    for known, value in scope["headers"]:
        if known == name:
            return value
    return None


def bearer_key(scope: HTTPScope) -> str:
    """The key of the Authorization header. Raises Refused (401) where there is none."""
    scheme, _, key = (header(scope, b"authorization") or b"").partition(b" ")
    key = key.strip()
    if scheme.lower() != b"bearer" or not key:
        raise unauthorized("An Authorization header with a bearer key is required.")
    return key.decode("latin-1")


def header_or_query_key(scope: HTTPScope) -> str:
    """The key of the Authorization header, else of the parameter `apikey`. Raises Refused (401)."""
    if header(scope, b"authorization") is None and (key := query(scope).get("apikey")):
        return key
    return bearer_key(scope)


def no_key(scope: HTTPScope) -> str:
    """The key of a call that anybody may make: an empty text."""
    return ""


def query(scope: HTTPScope) -> dict[str, str]:
    """The parameters of the query string; of several with one name the last."""
    return dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))


async def leave_body(scope: HTTPScope, receive: ASGIReceiveCallable) -> bytes:
    """Reads nothing: for a call that takes its body as a stream, or needs none."""
    return b""


def has_no_body(scope: HTTPScope) -> bool:
    """Whether a request has no body, as most polls."""
    for name, value in scope["headers"]:
        if (name == b"content-length" and value != b"0") or name == b"transfer-encoding":
            return False
    return True


async def read_body(scope: HTTPScope, receive: ASGIReceiveCallable) -> bytes:
    """The whole body. Raises Refused (413: too large, 408: too slow, 503: too many arrive), Disconnected.

    The server reads and drops what is left unread after a refusal, so the connection stays usable.
    """
    if has_no_body(scope):
        return b""
    announced = header(scope, b"content-length")
    if announced and announced.isdigit() and int(announced) > BODY_LIMIT:
        raise too_large()
    body = bytearray()
    try:
        await _arrive(body, Pace(BODY_TIMEOUT, BODY_PACE), receive)
    except TimeoutError:
        raise too_slow() from None
    finally:
        _Arriving.size -= len(body)
    return bytes(body)


class _Arriving:
    """How many bytes of incomplete bodies this process holds."""

    size = 0


async def _arrive(body: bytearray, pace: Pace, receive: ASGIReceiveCallable) -> None:
    while True:
        message = await pace.chunk(receive)
        if message["type"] != "http.request":
            raise Disconnected
        chunk = message.get("body", b"")
        body += chunk
        _Arriving.size += len(chunk)
        if len(body) > BODY_LIMIT:
            raise too_large()
        if not message.get("more_body", False):
            return
        if _Arriving.size > ARRIVING:
            raise busy()


def headers_of(reply: Reply) -> Headers:
    """The headers of a reply: its own, and those of its body."""
    headers = reply.headers
    if reply.status not in {204, 304}:
        headers = (*headers, (b"content-length", b"%d" % len(reply.body)))
    if reply.body:
        headers = (*headers, (b"content-type", reply.content_type), *PRIVATE)
    return headers


async def send_reply(send: ASGISendCallable, reply: Reply) -> None:
    """Send a reply with its headers."""
    await send(
        {
            "type": "http.response.start",
            "status": reply.status,
            "headers": headers_of(reply),
            "trailers": False,
        }
    )
    await send({"type": "http.response.body", "body": reply.body, "more_body": False})
