"""The session that a request names, read from its headers alone."""

from __future__ import annotations

from collections.abc import Collection

from django.conf import settings
from django.http import parse_cookie


def session_in(headers: Collection[tuple[bytes, bytes]]) -> str:
    """The key of the session that the cookies of a request name, read as Django does, or nothing."""
    cookies = b"; ".join(value for name, value in headers if name == b"cookie")
    return parse_cookie(cookies.decode("latin-1")).get(settings.SESSION_COOKIE_NAME, "")
