"""What a page records comes from the address it was asked from."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase

from devices.ingest.peers import canonical
from fleets import audit


def coming_from(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Tells the audit log the caller's address, through the proxies we trust (dashboard/asgi.py), as it
    stands for the calls of devices."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        with audit.coming_from(canonical(request.META.get("REMOTE_ADDR", "")) or None):
            return get_response(request)

    return middleware
