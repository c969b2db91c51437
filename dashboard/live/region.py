"""The live region of a page: its polling tag, and how a page and each refresh of it are answered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.shortcuts import render
from django.utils.cache import patch_vary_headers

from dashboard.http.scope import Scope
from dashboard.live.tag import tag_of
from devices.clock import Moment

PINNED_MOST = 100  # rows on the longest page
TAG, SHOWN = "HX-PTag", "HX-Shown"  # headers: what is shown by its polling tag, and the rows on screen


@dataclass(frozen=True)
class Live:
    """What a live region shows: each page has its own, with a field for each name that its partial uses.

    The fields are the partial's context, and all of them make its polling tag, so that nothing shown can be
    missing there. One that moves on in the browser by itself is a `field(compare=False)`.
    """

    scope: Scope


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
    request: HttpRequest, template: str, live: Live, *, at: Moment, **around: object
) -> HttpResponse:
    """The whole page, its partial `live` to htmx, or 304 where htmx already shows the same.

    `at` is the clock of everything in `live`; `around` is what the page shows outside of its live region.
    """
    silence = at.announced
    tag = tag_of((silence, live), at.at)
    fragment = wants_fragment(request)
    if fragment and request.headers.get(TAG) == tag:
        response: HttpResponse = HttpResponseNotModified()
    else:
        context = ({} if fragment else around) | vars(live) | {"at": at.at, "tag": tag, "silence": silence}
        response = render(request, f"{template}#live" if fragment else template, context)
    return live_answer(response, tag, at.at)


def live_answer(response: HttpResponse, tag: str, at: datetime) -> HttpResponse:
    """An answer about a live region, with what the page needs to know of it."""
    response[TAG] = tag
    response["Lookout-Now"] = str(int(at.timestamp() * 1000))
    patch_vary_headers(response, ["HX-Request", "HX-History-Restore-Request", TAG, SHOWN, "Cookie"])
    return response
