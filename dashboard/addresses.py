"""Where a page is asked from: through the proxies we trust, by the same rule as the calls of devices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponseBase

from devices.ingest.http import header
from devices.ingest.peers import canonical, is_trusted, public_address
from fleets import audit


class Proxied:
    """ASGI middleware: the caller's address and scheme as our own proxies tell them, and nobody else.

    Any: uvicorn, asgiref and Django each spell the types of ASGI their own way.
    """

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["client"]:
            host, port = scope["client"]
            address = public_address(scope)
            told: dict[str, Any] = {"proxied": is_trusted(canonical(host))}
            if address:
                told["client"] = (address, port if address == canonical(host) else 0)
            scheme = header(scope, b"x-forwarded-proto")
            if told["proxied"] and scheme in {b"http", b"https"}:
                told["scheme"] = scheme.decode()
            scope |= told
        await self._app(scope, receive, send)


def coming_from(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Django middleware: what a page records comes from the caller's address."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        with audit.coming_from(canonical(request.META.get("REMOTE_ADDR", "")) or None):
            return get_response(request)

    return middleware
