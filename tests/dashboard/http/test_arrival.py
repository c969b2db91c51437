"""The admin says how requests arrive, and warns where all seem to come from one address."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core.cache import cache
from django.test import Client
from pytest_django import Settings

from dashboard.models import User
from dashboard.server.checks import arrival_checks
from devices.ingest import client_address, proxy_check
from devices.ingest.proxy_check import Arrivals
from tests.devices.ingest import raw
from tests.factories import T0

pytestmark = pytest.mark.django_db

PAGE = "/admin/arrival/"


@pytest.fixture(autouse=True)
def proxies(settings: Settings) -> Iterator[None]:
    settings.TRUSTED_PROXIES = ["10.0.0.1"]
    cache.clear()
    client_address.is_trusted.cache_clear()
    yield
    client_address.is_trusted.cache_clear()


@pytest.fixture
def superuser(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("root"))
    return client


class Cells(HTMLParser):
    """The text of table cells, and of advice."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._inside = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag in {"th", "td"} or (tag == "p" and ("class", "errornote") in attrs):
            self._inside = True
            self.texts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag not in {"th", "td", "p"}

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.texts[-1] += data


def shown(client: Client, peer: str, **headers: str) -> list[str]:
    page = client.get(PAGE, REMOTE_ADDR=peer, headers={n.replace("_", "-"): v for n, v in headers.items()})
    assert page.status_code == 200
    texts = [" ".join(text.split()) for text in Cells(page.content.decode()).texts]
    return texts[texts.index("Address") :]  # behind the admin's own list of tables


def test_a_request_through_a_trusted_proxy(superuser: Client) -> None:
    said = shown(
        superuser, "10.0.0.1", x_forwarded_for="192.0.2.66, 203.0.113.7:5", x_forwarded_proto="HTTPS"
    )
    pairs = dict(zip(said[::2], said[1::2], strict=True))
    assert pairs == {
        "Address": "203.0.113.7",
        "Scheme": "http",  # of the tests' client, around which no server stands
        "Connection from": "10.0.0.1, which is a trusted proxy",
        "Claimed, not used": "192.0.2.66",
        "X-Forwarded-For": "192.0.2.66, 203.0.113.7:5",
        "X-Forwarded-Proto": "HTTPS",
    }


def test_a_proxy_that_is_not_trusted_is_named(superuser: Client) -> None:
    said = shown(superuser, "127.0.0.1", x_forwarded_for="203.0.113.7", host="localhost")
    assert "127.0.0.1, which is not in TRUSTED_PROXIES" in said
    assert said[said.index("Host") + 1] == "localhost"
    assert said[-1] == "If 127.0.0.1 is your proxy, add it to TRUSTED_PROXIES and restart Lookout."


def test_a_proxy_that_says_nothing_is_told_what_to_set(superuser: Client) -> None:
    address, scheme = shown(superuser, "10.0.0.1")[-2:]
    assert "append the address of its client to X-Forwarded-For" in address
    assert "set X-Forwarded-Proto" in scheme


def test_what_a_caller_sends_is_shown_as_text(superuser: Client) -> None:
    page = superuser.get(PAGE, headers={"X-Forwarded-For": "<b>203.0.113.7</b>"}).content
    assert b"&lt;b&gt;203.0.113.7" in page
    assert b"<b>203" not in page


def many_come() -> None:
    """Five devices through a proxy that is not trusted, to another process."""
    seen = Arrivals("calls")
    for number in range(proxy_check.MANY):
        scope = raw.scope("POST", "heartbeat", peer="172.17.0.1", x_forwarded_for=f"203.0.113.{number}")
        seen.note(client_address.caller(scope), scope["headers"], f"key {number}")
    seen.tell(T0)


@pytest.mark.parametrize("page", ["/admin/", PAGE])
def test_that_all_come_from_one_address_is_said_in_the_admin(superuser: Client, page: str) -> None:
    warning = (
        "All 5 calls of devices and VPN servers seem to come from 172.17.0.1. If 172.17.0.1 is your proxy"
    )
    assert warning not in superuser.get(page).content.decode()
    many_come()
    assert warning in superuser.get(page).content.decode()


def test_the_last_call_of_a_device_is_shown_beside(superuser: Client) -> None:
    many_come()
    said = shown(superuser, "127.0.0.1")
    assert said[said.index("X-Forwarded-For") + 1] == "203.0.113.4"


def test_the_check_before_going_live_says_it(settings: Settings) -> None:
    assert arrival_checks(None, ["default"]) == []
    many_come()
    (message,) = arrival_checks(None, ["default"])
    assert message.id == "dashboard.W010"
    assert message.hint == "If 172.17.0.1 is your proxy, add it to TRUSTED_PROXIES and restart Lookout."
    assert arrival_checks(None, None) == []


def test_it_is_for_superusers(client: Client) -> None:
    staff = User.objects.create_user("staff", is_staff=True)
    staff.user_permissions.set(Permission.objects.all())
    client.force_login(staff)
    assert client.get("/admin/").status_code == 200
    assert b"How requests arrive" not in client.get("/admin/").content
    assert client.get(PAGE).status_code == 403
