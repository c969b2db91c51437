"""The caller of a page behind trusted proxies, by the rule that also applies to calls of devices."""

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
    """ASGI middleware: sets the caller's address and scheme as trusted proxies tell them.

    Its types are Any, as uvicorn, asgiref and Django have different types of ASGI.
    """

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            scope["caller"] = caller = client_address.caller(scope)
            PAGES.note(caller, scope["headers"], session_in(scope["headers"]))
            if caller.address:
                port = scope["client"][1] if caller.address == caller.peer else 0
                scope |= {"client": (caller.address, port), "scheme": caller.scheme or scope["scheme"]}
        await self._app(scope, receive, send)


def coming_from(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Django middleware: lines of the audit log that a request writes have the caller's address."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        with audit.coming_from(canonical(request.META.get("REMOTE_ADDR", "")) or None):
            return get_response(request)

    return middleware


def caller_of(request: HttpRequest) -> Caller:
    """The caller of this request, also where no ASGI server set it, as in tests."""
    known: Caller | None = getattr(request, "scope", {}).get("caller")
    if known is not None:
        return known
    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in request.headers.items()]
    scope: Any = {"client": (request.META.get("REMOTE_ADDR", ""), 0), "headers": headers}
    return client_address.caller(scope)
