"""Whose time zone a page speaks, and static files as Django serves them."""

import gzip
import sys
import zoneinfo
from types import SimpleNamespace

import pytest
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.utils import timezone

from dashboard.http.middleware import SLOTS, room, time_zone


@pytest.mark.parametrize(
    ("own", "cookie", "expected"),
    [
        ("Asia/Tokyo", "Europe/Berlin", "Asia/Tokyo"),
        ("", "Europe/Berlin", "Europe/Berlin"),
        ("", "America%2FNew_York", "America/New_York"),
        ("", "", "UTC"),
        ("", "Europe/Atlantis", "UTC"),
        ("", "America", "UTC"),
        ("", "../../etc/passwd", "UTC"),
        ("", "%00", "UTC"),
    ],
)
def test_the_users_zone_else_the_browsers_else_the_sites(
    rf: RequestFactory, own: str, cookie: str, expected: str
) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse(timezone.get_current_timezone_name())

    request = rf.get("/")
    request.user = SimpleNamespace(time_zone=own)  # type: ignore[assignment]
    request.COOKIES["tz"] = cookie
    assert time_zone(view)(request).getvalue().decode() == expected
    assert timezone.get_current_timezone() == zoneinfo.ZoneInfo(settings.TIME_ZONE)


def test_static_files_come_whole_and_once(client: Client) -> None:
    first = client.get("/static/favicon.svg")
    assert (first.status_code, first["Content-Type"]) == (200, "image/svg+xml")
    assert len(first.content) == int(first["Content-Length"])
    modified = {"If-Modified-Since": first["Last-Modified"]}
    again = client.get("/static/favicon.svg", headers=modified)
    assert (again.status_code, again.content) == (304, b"")
    head = client.head("/static/favicon.svg")
    assert (head.status_code, head.content) == (200, b"")


def test_the_policy_allows_nothing_inline(client: Client) -> None:
    policy = client.get("/static/favicon.svg")["Content-Security-Policy"]
    assert "script-src 'self'" in policy.split("; ")
    assert "style-src 'self'" in policy.split("; ")
    assert "unsafe" not in policy


@pytest.mark.django_db
def test_a_page_is_sent_compressed_to_those_who_read_it_so(client: Client) -> None:
    sent = client.get("/sign-in/", headers={"accept-encoding": "br, gzip"})
    plain = client.get("/sign-in/")
    assert sent["Content-Encoding"] == "gzip"
    assert b"<h1" in gzip.decompress(sent.content)
    assert "Content-Encoding" not in plain
    assert "Accept-Encoding" in plain["Vary"]


def test_a_request_is_answered_in_a_large_frame(rf: RequestFactory) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse(str(sys._getframe(1).f_code.co_stacksize))

    assert room(view)(rf.get("/")).getvalue().decode() == str(SLOTS)
