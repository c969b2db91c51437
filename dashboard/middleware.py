"""Static files as WhiteNoise finds them, headers that every answer has, and the viewer's time zone."""

import zoneinfo
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.responders import StaticFile

TIME_ZONE_COOKIE = "tz"


class StaticFiles(WhiteNoiseMiddleware):
    """WhiteNoise answering with whole files: under ASGI its streams are slow and warned about."""

    @staticmethod
    def serve(static_file: StaticFile, request: HttpRequest) -> HttpResponse:
        found = static_file.get_response(request.method, request.META)
        response = HttpResponse(status=int(found.status))
        if found.file is not None:
            with found.file as file:
                response.content = file.read()
        del response["Content-Type"]
        for name, value in found.headers:
            response[name] = value
        return response


# What pages do not use, nobody can make them use; publickey-credentials-* are left to passkeys.
UNUSED = (
    *("accelerometer", "bluetooth", "browsing-topics", "camera", "display-capture", "geolocation"),
    *("gyroscope", "magnetometer", "microphone", "midi", "payment", "serial", "usb"),
)
ALWAYS = {
    "Permissions-Policy": ", ".join(f"{name}=()" for name in UNUSED),
    "Cross-Origin-Resource-Policy": "same-origin",
    # Django's SecurityMiddleware gives these to what it lets through, not to what it refuses.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": settings.SECURE_REFERRER_POLICY,
    "X-Content-Type-Options": "nosniff",
}


def headers(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Stands around all that refuses or fails; a page that does not say otherwise is kept by nobody."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        for name, value in ALWAYS.items():
            response.headers.setdefault(name, value)
        if not response.has_header("Cache-Control"):
            add_never_cache_headers(response)
        return response

    return middleware


def time_zone(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Shows times in the user's own zone, else the browser's (cookie `tz`), else the site's."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        user: Any = request.user
        chosen = getattr(user, "time_zone", "") or unquote(request.COOKIES.get(TIME_ZONE_COOKIE, ""))
        with timezone.override(known_zone(chosen)):
            return get_response(request)

    return middleware


def known_zone(name: str) -> zoneinfo.ZoneInfo | None:
    """The zone of that name; None (the site's) where the name is empty or unknown."""
    try:
        return zoneinfo.ZoneInfo(name) if name else None
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):  # OSError: a directory's name
        return None
