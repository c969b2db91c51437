"""Where a page is asked from: through the proxies we trust, by the same rule as the calls of devices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponseBase

from dashboard.http.session_cookie import session_in
from devices.ingest import client_address
from devices.ingest.client_address import Caller
from devices.ingest.forwarded import canonical
from devices.ingest.proxy_check import PAGES
from fleets import audit


class Proxied:
    """ASGI middleware: the caller's address and scheme as our own proxies tell them, and nobody else.

    Any: uvicorn, asgiref and Django each spell the types of ASGI their own way.
    """

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            scope["caller"] = told = client_address.caller(scope)
            PAGES.note(told, scope["headers"], session_in(scope["headers"]))
            if told.address:
                port = scope["client"][1] if told.address == told.peer else 0
                scope |= {"client": (told.address, port), "scheme": told.scheme or scope["scheme"]}
        await self._app(scope, receive, send)


def coming_from(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Django middleware: what a page records comes from the caller's address."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        with audit.coming_from(canonical(request.META.get("REMOTE_ADDR", "")) or None):
            return get_response(request)

    return middleware


def caller_of(request: HttpRequest) -> Caller:
    """Where this request comes from."""
    known: Caller | None = getattr(request, "scope", {}).get("caller")
    if known is not None:
        return known
    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in request.headers.items()]
    scope: Any = {"client": (request.META.get("REMOTE_ADDR", ""), 0), "headers": headers}
    return client_address.caller(scope)
