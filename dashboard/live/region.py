"""The live region of a page: its polling tag, and how a page and each refresh of it are answered."""

from __future__ import annotations

from datetime import datetime
from hashlib import blake2b
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.shortcuts import render
from django.utils import timezone
from django.utils.cache import patch_vary_headers

from dashboard import __version__
from devices import clock

PINNED_MOST = 100  # rows on the longest page


TAG, SHOWN = "HX-PTag", "HX-Shown"  # headers: what is shown by its polling tag, and the rows on screen


def tag_of(shown: object, at: datetime) -> str:
    """The polling tag of a page: the same as long as it would show the same.

    `shown` is everything the region says, as values with a stable repr. Relative times tick in the browser
    and need no new tag, but day, time zone, the site's words and the version change how values read.
    """
    frame = (
        __version__,
        timezone.localdate(at),
        timezone.get_current_timezone_name(),
        settings.VPN_WORD,
        settings.FLEET_WORD,
        settings.CLOUD_NAME,
        settings.SIMPLE_STATUSES,
    )
    return blake2b(repr((frame, shown)).encode(), digest_size=16).hexdigest()


def wants_fragment(request: HttpRequest) -> bool:
    """Whether htmx asks for the live region alone."""
    headers = request.headers
    return headers.get("HX-Request") == "true" and headers.get("HX-History-Restore-Request") != "true"


def on_screen(request: HttpRequest) -> list[str]:
    """The rows that a refresh says are on screen, in order, by what names them; none for a whole page."""
    if not wants_fragment(request):
        return []
    return [name for name in dict.fromkeys(request.headers.get(SHOWN, "").split(",")) if name][:PINNED_MOST]


def live_page(
    request: HttpRequest, template: str, context: dict[str, Any], *, at: datetime, shown: object
) -> HttpResponse:
    """The whole page, its partial `live` to htmx, or 304 where htmx already shows the same.

    `at` is the clock of everything in `context`; `shown` is what decides the polling tag (see tag_of).
    """
    silence = clock.told(at)
    tag = tag_of((silence, shown), at)
    fragment = wants_fragment(request)
    if fragment and request.headers.get(TAG) == tag:
        response: HttpResponse = HttpResponseNotModified()
    else:
        context |= {"at": at, "tag": tag, "silence": silence}
        response = render(request, f"{template}#live" if fragment else template, context)
    return live_answer(response, tag, at)


def live_answer(response: HttpResponse, tag: str, at: datetime) -> HttpResponse:
    """An answer about a live region, with what the page needs to know of it."""
    response[TAG] = tag
    response["Lookout-Now"] = str(int(at.timestamp() * 1000))
    patch_vary_headers(response, ["HX-Request", "HX-History-Restore-Request", TAG, SHOWN, "Cookie"])
    return response
