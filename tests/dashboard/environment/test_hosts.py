"""The host and port of a request are the site's: links in mails lead there."""

from __future__ import annotations

from contextlib import suppress
from io import BytesIO
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core import mail
from django.core.exceptions import DisallowedHost
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse
from django.test import Client

from dashboard.environment import hosts
from dashboard.http.proxy import Proxied
from devices.ingest import client_address
from tests.devices.ingest import raw
from tests.factories import make_member, make_organization

PROXY, BROWSER = "10.0.0.1", "198.51.100.1"


@pytest.fixture(autouse=True)
def production(settings: Any) -> Any:
    """Listens at 8000, behind a proxy or not."""
    settings.LOCAL = False
    settings.TRUSTED_PROXIES = [PROXY]
    answer_to(settings, "lookout.example", "other.example:8443", "[::1]")
    client_address.is_trusted.cache_clear()
    yield
    client_address.is_trusted.cache_clear()


def answer_to(settings: Any, *named: str) -> None:
    settings.HOSTS = [hosts.name_and_port(host) for host in named]
    settings.ALLOWED_HOSTS = [name for name, _ in settings.HOSTS]


def answers(host: str, peer: str = PROXY, scheme: str = "https") -> bool:
    """Whether a page is answered that a browser asks this host for."""
    scope: Any = raw.scope("GET", "", peer=peer, x_forwarded_proto=scheme)
    scope |= {"path": "/", "server": ("127.0.0.1", 8000)}
    scope["headers"] += [(b"host", host.encode())]
    view = hosts.trusted(lambda request: HttpResponse())
    answered = []

    async def django(scope: Any, receive: Any, send: Any) -> None:
        with suppress(DisallowedHost):
            answered.append(view(ASGIRequest(scope, BytesIO())))

    async_to_sync(Proxied(django))(scope, None, None)
    return bool(answered)


@pytest.mark.parametrize(
    ("host", "good"),
    [
        ("lookout.example", True),
        ("LOOKOUT.example:443", True),
        ("lookout.example:80", False),
        ("lookout.example:8000", False),
        ("lookout.example:1337", False),
        ("other.example:8443", True),
        ("other.example", False),
        ("lookout.example:8443", False),
        ("[::1]", True),
        ("[::1]:1337", False),
        ("elsewhere.example", False),
    ],
)
def test_through_a_proxy_the_port_is_the_usual_one_or_named(host: str, *, good: bool) -> None:
    assert answers(host) is good


@pytest.mark.parametrize(("port", "good"), [(":8000", True), ("", True), (":1337", False)])
def test_asked_directly_it_is_the_one_listened_at_too(port: str, *, good: bool) -> None:
    assert answers(f"lookout.example{port}", BROWSER, "http") is good


def test_on_a_trial_any_port_leads_here(settings: Any) -> None:
    settings.LOCAL = True
    assert answers("lookout.example:9000")


@pytest.mark.django_db
def test_the_link_of_a_mail_leads_to_no_port_of_a_strangers_choice(settings: Any) -> None:
    settings.EMAIL_HOST = "mail.example"
    make_member(make_organization(), email="ida@example.org")
    form, stranger = {"email": "ida@example.org"}, Client(SERVER_PORT="80")
    answer = stranger.post("/sign-in/forgotten/", form, headers={"Host": "lookout.example:1337"})
    assert answer.status_code == 400
    assert mail.outbox == []
    stranger.post("/sign-in/forgotten/", form, headers={"Host": "lookout.example"})
    assert "http://lookout.example/sign-in/new-password/" in mail.outbox[0].body
