"""All requests seem to come from one address: the log says so, and what to do, in every process."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.core.cache import cache
from pytest_django import Settings

from devices.ingest import client_address, forwarded, proxy_check
from devices.ingest.app import Ingest
from devices.ingest.client_address import Caller, Doubt
from devices.ingest.native.calls import CALLS
from devices.ingest.proxy_check import Arrivals, Finding
from tests.devices.ingest import raw
from tests.devices.ingest.raw import unlimited
from tests.devices.ingest.server import serving
from tests.devices.ingest.world import World
from tests.factories import T0
from tests.security.sockets import ask, head
from tests.worker import wait_until

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def proxies(settings: Settings) -> Iterator[None]:
    settings.TRUSTED_PROXIES = ["10.0.0.1"]
    cache.clear()
    client_address.is_trusted.cache_clear()
    yield
    client_address.is_trusted.cache_clear()


def asked(peer: str, said: str | None) -> tuple[Caller, forwarded.Headers]:
    more = {} if said is None else {"x_forwarded_for": said}
    scope = raw.scope("POST", "heartbeat", peer=peer, **more)
    return client_address.caller(scope), scope["headers"]


def found(*requests: tuple[str, str | None, str]) -> Finding | None:
    """What is found of these requests: a peer, what it says, and the key it came with."""
    seen = Arrivals("calls")
    for peer, said, key in requests:
        seen.note(*asked(peer, said), key)
    seen.tell(T0)
    return next(iter(proxy_check.findings()), None)


@pytest.mark.parametrize(
    ("peer", "said", "doubt"),
    [
        ("127.0.0.1", "203.0.113.7", Doubt.NOT_TRUSTED),
        ("172.17.0.1", "203.0.113.7:80", Doubt.NOT_TRUSTED),
        ("10.0.0.1", None, Doubt.SAYS_NOTHING),
        ("10.0.0.1", "unknown", Doubt.UNREADABLE),
    ],
)
def test_many_devices_from_one_address_of_a_proxy_are_found(
    caplog: pytest.LogCaptureFixture, peer: str, said: str | None, doubt: Doubt
) -> None:
    known = found(*((peer, said, f"key {number}") for number in range(proxy_check.MANY)))
    assert known == Finding("calls", peer, doubt, proxy_check.MANY, T0)
    (line,) = caplog.records
    assert (line.levelname, line.getMessage()) == ("WARNING", str(known))
    assert f"All {proxy_check.MANY} calls of devices and VPN servers seem to come from {peer}." in str(known)


def test_the_fix_names_the_proxy() -> None:
    known = found(*(("127.0.0.1", "203.0.113.7", f"key {number}") for number in range(9)))
    assert known
    assert known.fix == "If 127.0.0.1 is your proxy, add it to TRUSTED_PROXIES and restart Lookout."


def test_people_without_a_session_are_told_apart_by_what_the_proxy_says() -> None:
    """Where HTTPS is not believed either, nobody gets to sign in: each is led to HTTPS for ever."""
    assert found(*(("127.0.0.1", f"203.0.113.{number}", "") for number in range(9)))


MANY = [("127.0.0.1", "203.0.113.7", f"key {number}") for number in range(9)]


@pytest.mark.parametrize(
    "requests",
    [
        MANY[: proxy_check.MANY - 1],
        [MANY[0]] * 100,  # one device
        [*MANY, ("127.0.0.2", "203.0.113.7", "key")],
        [*MANY, ("10.0.0.1", "203.0.113.7", "key")],  # through a proxy that is trusted
        [("127.0.0.1", None, "key"), *MANY],  # no proxy
        [("10.0.0.1", f"203.0.113.{number}", f"key {number}") for number in range(9)],
        [("203.0.113.7", "192.0.2.66", f"key {number}") for number in range(9)],  # behind one NAT
        [("192.168.0.1", None, f"key {number}") for number in range(9)],
    ],
)
def test_nothing_is_found_of(requests: list[tuple[str, str | None, str]]) -> None:
    assert found(*requests) is None


def test_a_load_balancer_that_asks_for_the_health_hides_nothing() -> None:
    assert found(("127.0.0.1", None, ""), *MANY, ("127.0.0.1", None, ""))


def test_it_is_logged_once_an_hour_and_looked_at_anew(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proxy_check, "ROUNDS", 3)
    seen = Arrivals("calls")
    for _ in range(2):
        for number in range(9):
            seen.note(*asked("127.0.0.1", "203.0.113.7"), f"key {number}")
        for _ in range(3):
            seen.tell(T0)
    assert len(caplog.records) == 2
    cache.clear()
    seen.tell(T0)
    assert proxy_check.findings() == []


def test_what_was_seen_of_the_last_request_holds_no_key() -> None:
    seen = Arrivals("calls")
    assert proxy_check.last("calls") is None
    caller, headers = asked("10.0.0.1", "203.0.113.7:80")
    more = [(b"host", b"lookout.example"), (b"authorization", b"Bearer secret"), (b"cookie", b"secret")]
    seen.note(caller, [*headers, *more], "key")
    seen.tell(T0 + timedelta(minutes=1))
    last = proxy_check.last("calls")
    assert last
    assert (last.at, last.caller) == (T0 + timedelta(minutes=1), caller)
    assert last.headers == [("X-Forwarded-For", "203.0.113.7:80"), ("Host", "lookout.example")]


@pytest.mark.django_db(transaction=True)
def test_a_process_tells_what_it_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy_check, "TELL_EVERY", 0.05)
    monkeypatch.setattr(proxy_check, "CALLS", Arrivals("calls"))
    with serving(Ingest(CALLS, unlimited())) as port:
        for number in range(9):
            bearer = {"Authorization": f"Bearer key {number}", "X_Forwarded_For": "192.0.2.7"}
            assert ask(port, head("POST", "/api/v1/heartbeat", Content_Length="0", **bearer)).status == 401
        wait_until(lambda: [each.number for each in proxy_check.findings()] == [9])
    (known,) = proxy_check.findings()
    assert (known.kind, known.address) == ("calls", "127.0.0.1")
