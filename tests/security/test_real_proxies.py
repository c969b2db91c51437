"""Through a real nginx and a real HAProxy: each client has its own address, none one of its choice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from dashboard.asgi import InOneThread
from dashboard.http.proxy import Proxied
from dashboard.http.rate_limits import RateLimited
from dashboard.http.request_limits import Limits
from dashboard.models import User
from devices.ingest import client_address
from devices.ingest.app import Ingest
from devices.ingest.native.calls import CALLS
from fleets.models import AuditEntry
from tests.devices.ingest.raw import unlimited
from tests.devices.ingest.server import serving
from tests.devices.ingest.world import World, make_world
from tests.security.proxies import OUTER, PROXY, WAYS, Caller, proxy

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.thorough]

PASSWORD = "correct horse battery"
LOCKED = "Too many wrong passwords for this account or from this address."
FORGED = {
    "X-Forwarded-For": "192.0.2.66",
    "Forwarded": "for=192.0.2.66;proto=http",
    "X-Real-IP": "192.0.2.66",
}
CLIENTS = ("203.0.113.7", "2001:db8::7")


@pytest.fixture
def world() -> World:
    return make_world()


@pytest.fixture
def site(settings: Settings) -> Iterator[int]:
    """The port of pages that lead to HTTPS, and of calls, which trust two proxies."""
    settings.SECURE_SSL_REDIRECT = True
    settings.TRUSTED_PROXIES = [PROXY, OUTER]
    client_address.is_trusted.cache_clear()
    pages, calls = Proxied(RateLimited(Limits(InOneThread()))), Ingest(CALLS, unlimited())

    async def app(scope: Any, receive: Any, send: Any) -> None:
        to_calls = scope["type"] == "lifespan" or scope["path"].startswith("/api/")
        await (calls if to_calls else pages)(scope, receive, send)

    with serving(app) as port:
        yield port
    client_address.is_trusted.cache_clear()


def reported_from(caller: Caller, world: World) -> str | None:
    """The address that a device has which calls from there."""
    bearer = {"Authorization": f"Bearer {world.device_key}"}
    assert caller.ask("POST", "/api/v1/heartbeat", **bearer).status == 200
    world.device.refresh_from_db()
    return world.device.public_address


def guessed_from(caller: Caller) -> str | None:
    """The address that the audit log has of a wrong password from there."""
    assert "do not match" in caller.submit("/sign-in/", login="ida", password="guess").text
    return AuditEntry.objects.filter(action="sign-in-failed").latest("pk").address


@pytest.mark.parametrize("way", WAYS)
def test_a_client_has_its_own_address_whatever_it_claims(
    site: int, world: World, tmp_path: Path, way: str
) -> None:
    User.objects.create_user("ida", password=PASSWORD)
    with proxy(tmp_path, way, site) as port:
        for address in CLIENTS:
            caller = Caller(port, address, FORGED)
            assert reported_from(caller, world) == address
            assert guessed_from(caller) == address  # and no redirect to HTTPS in between


@pytest.mark.parametrize(
    ("way", "inner"), [("nginx, with ports", "haproxy"), ("haproxy, with ports", "nginx")]
)
def test_through_two_proxies_that_are_trusted(
    site: int, world: World, tmp_path: Path, way: str, inner: str
) -> None:
    """The second adds `http` to X-Forwarded-Proto, as the first speaks to it."""
    User.objects.create_user("ida", password=PASSWORD)
    with proxy(tmp_path, way, site, of_two=inner) as port:
        for address in CLIENTS:
            caller = Caller(port, address, FORGED)
            assert reported_from(caller, world) == address
            assert guessed_from(caller) == address


@pytest.mark.parametrize("inner", ["haproxy", "nginx"])
def test_a_first_proxy_that_is_not_trusted_is_the_client(
    site: int, world: World, tmp_path: Path, settings: Settings, inner: str
) -> None:
    settings.TRUSTED_PROXIES = [PROXY]
    client_address.is_trusted.cache_clear()
    with proxy(tmp_path, "nginx", site, of_two=inner) as port:
        caller = Caller(port, CLIENTS[0], FORGED)
        assert reported_from(caller, world) == OUTER
        assert caller.ask("GET", "/sign-in/").status == 200


@pytest.mark.parametrize("way", ["nginx", "haproxy"])
def test_a_proxy_that_passes_on_the_header_it_does_not_set_gives_nobody_an_address_of_choice(
    site: int, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    lines = [line for line in WAYS[way].splitlines() if not line.strip(';" ').endswith("Forwarded")]
    assert len(lines) == len(WAYS[way].splitlines()) - 1
    monkeypatch.setitem(WAYS, way, "\n".join(lines))
    with proxy(tmp_path, way, site) as port:
        assert reported_from(Caller(port, CLIENTS[0], FORGED), world) == PROXY
        assert reported_from(Caller(port, CLIENTS[0]), world) == CLIENTS[0]


@pytest.mark.parametrize("way", ["nginx, with ports", "haproxy, with ports"])
def test_wrong_passwords_of_one_client_lock_nobody_else(
    site: int, tmp_path: Path, settings: Settings, way: str
) -> None:
    """Though each comes from another port."""
    User.objects.create_user("ida", password=PASSWORD)
    with proxy(tmp_path, way, site) as port:
        guesser, ida = Caller(port, "203.0.113.7"), Caller(port, "203.0.113.8")
        for number in range(32):
            said = guesser.submit("/sign-in/", login=f"nobody-{number}", password="guess").text
            assert (LOCKED in said) is (number >= 30)
        assert LOCKED in guesser.submit("/sign-in/", login="ida", password=PASSWORD).text
        signed_in = ida.submit("/sign-in/", login="ida", password=PASSWORD)
        assert (signed_in.status, signed_in.location) == (302, "/")
