"""Reading the session key from the headers of a request, without Django's request."""

from __future__ import annotations

from collections.abc import Collection

from django.conf import settings
from django.http import parse_cookie


def session_in(headers: Collection[tuple[bytes, bytes]]) -> str:
    """The session key in the cookies of ASGI headers, parsed as Django does; "" if there is none."""
    cookies = b"; ".join(value for name, value in headers if name == b"cookie")
    return parse_cookie(cookies.decode("latin-1")).get(settings.SESSION_COOKIE_NAME, "")
