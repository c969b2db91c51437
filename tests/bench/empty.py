"""The smallest ASGI app, to measure what the server and the machine cost without Lookout."""

from typing import Any

BODY = b'{"poll_interval":900}'
START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-length", b"%d" % len(BODY)), (b"content-type", b"application/json")],
}
END = {"type": "http.response.body", "body": BODY}


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer every request with the response to a heartbeat."""
    if scope["type"] == "http":
        await send(START)
        await send(END)
