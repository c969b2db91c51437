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
TAG, SHOWN = "HX-PTag", "HX-Shown"  # headers: the polling tag of what the page shows, and its rows


@dataclass(frozen=True)
class Live:
    """The content of a live region; each page has a subclass with a field for each name in its partial.

    The fields are the partial's context, and the polling tag is a digest of all of them, so that nothing
    shown can be missing in the tag. A value that advances in the browser by itself is a
    `field(compare=False)`.
    """

    scope: Scope


def wants_fragment(request: HttpRequest) -> bool:
    """Whether this is a request of htmx for the live region alone."""
    headers = request.headers
    return headers.get("HX-Request") == "true" and headers.get("HX-History-Restore-Request") != "true"


def on_screen(request: HttpRequest) -> list[str]:
    """The ids of the rows that the page shows, in order, at most PINNED_MOST; empty for a whole page."""
    if not wants_fragment(request):
        return []
    return [row for row in dict.fromkeys(request.headers.get(SHOWN, "").split(",")) if row][:PINNED_MOST]


def live_page(
    request: HttpRequest, template: str, live: Live, *, at: Moment, **around: object
) -> HttpResponse:
    """The whole page; to htmx its partial `live`, or 304 if the request has the current polling tag.

    `at` is the moment of everything in `live`; `around` is the context of the page around its live region.
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
    """Add to a response the headers of a live region: polling tag, the moment in milliseconds, and Vary."""
    response[TAG] = tag
    response["Lookout-Now"] = str(int(at.timestamp() * 1000))
    patch_vary_headers(response, ["HX-Request", "HX-History-Restore-Request", TAG, SHOWN, "Cookie"])
    return response
