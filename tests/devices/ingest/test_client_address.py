"""Where a request comes from: what proxies write is read, and only trusted ones are believed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest
from pytest_django import Settings

from devices.ingest import client_address, forwarded
from devices.ingest.client_address import Caller, Doubt
from tests.devices.ingest import raw

TRUSTED: Final = ["10.0.0.0/8", "fd00::/8"]


ADDRESSES: Final[list[tuple[str | None, str, str]]] = [
    ("198.51.100.1", "", "198.51.100.1"),
    ("198.51.100.1", "203.0.113.9", "198.51.100.1"),  # a stranger's word
    ("10.0.0.1", "", "10.0.0.1"),
    ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
    ("10.0.0.1", "192.0.2.66, 203.0.113.9", "203.0.113.9"),  # forged by the caller
    ("10.0.0.1", "192.0.2.66, 203.0.113.9, 10.9.9.9", "203.0.113.9"),
    ("10.0.0.1", "10.1.1.1, 10.9.9.9", "10.1.1.1"),
    ("10.0.0.1", "203.0.113.9, nonsense", "10.0.0.1"),
    ("10.0.0.1", "2001:DB8:0::7", "2001:db8::7"),
    ("fd00::1", "203.0.113.9", "203.0.113.9"),
    ("::ffff:10.0.0.1", "203.0.113.9", "203.0.113.9"),
    ("fe80::1%eth0", "", "fe80::1"),
    (None, "203.0.113.9", ""),
    ("testclient", "203.0.113.9", ""),
    # With a port, brackets or quotes
    ("10.0.0.1", "203.0.113.7:51234", "203.0.113.7"),
    ("10.0.0.1", "[2001:db8::7]:443", "2001:db8::7"),
    ("10.0.0.1", "[2001:db8::7]", "2001:db8::7"),
    ("10.0.0.1", '"[2001:db8::7]:443"', "2001:db8::7"),
    ("10.0.0.1", "[::ffff:203.0.113.7]:443", "203.0.113.7"),
    ("10.0.0.1", "192.0.2.66:1, 203.0.113.7:51234, 10.9.9.9:80", "203.0.113.7"),
    ("10.0.0.1", "192.0.2.66, [fd00::2]:443, [fd00::3]:80", "192.0.2.66"),
    ("10.0.0.1", "203.0.113.7, , ", "203.0.113.7"),
    # What is none
    ("10.0.0.1", "192.0.2.66, unknown", "10.0.0.1"),
    ("10.0.0.1", "192.0.2.66, 203.0.113.7:", "10.0.0.1"),
    ("10.0.0.1", "192.0.2.66, [203.0.113.7", "10.0.0.1"),
    ("10.0.0.1", "192.0.2.66, 203.0.113.7:80:80", "10.0.0.1"),
    ("10.0.0.1", "192.0.2.66, 203.0.113.300:80", "10.0.0.1"),
    # More than any chain of proxies has
    ("10.0.0.1", "192.0.2.66, " + "10.0.0.2, " * 100 + "10.0.0.3", "10.0.0.2"),
]
# Of the header Forwarded
FORWARDED: Final = [
    ("for=203.0.113.7", "203.0.113.7"),
    ("For=203.0.113.7;proto=https;by=10.0.0.1", "203.0.113.7"),
    ('for="203.0.113.7:51234"', "203.0.113.7"),
    ('for="[2001:db8::7]:443";proto=https', "2001:db8::7"),
    ('for="[2001:db8::7]"', "2001:db8::7"),
    ("for=[2001:db8::7]:443", "2001:db8::7"),  # without the quotes that it needs
    ("for=203.0.113.7:51234", "203.0.113.7"),
    ("for=192.0.2.66, for=203.0.113.7, for=10.9.9.9", "203.0.113.7"),
    ('proto=https; host="a, for=192.0.2.66"; for=203.0.113.7', "203.0.113.7"),
    ('host="a\\", for=192.0.2.66;a=\\"b";for=203.0.113.7', "203.0.113.7"),
    (", for=203.0.113.7 ,, ", "203.0.113.7"),
    ("for=192.0.2.66, for=unknown", "10.0.0.1"),
    ("for=192.0.2.66, for=_hidden", "10.0.0.1"),
    ("for=192.0.2.66, proto=https", "10.0.0.1"),
    ("proto=https", "10.0.0.1"),
    # A quoted text that a caller began before the proxy's own element
    ('for="192.0.2.66, for=203.0.113.7', "10.0.0.1"),
    ('a=", for="203.0.113.7"', "10.0.0.1"),
    ("for=192.0.2.66 for=203.0.113.7", "10.0.0.1"),
]
SCHEMES: Final = [
    ("10.0.0.1", "https", "https"),
    ("::ffff:10.0.0.1", "https", "https"),
    ("10.0.0.1", "HTTPS", "https"),
    ("10.0.0.1", "https, http", "https"),  # of the caller, and of the connection between two proxies
    ("10.0.0.1", "https,http,http", "https"),
    ("10.0.0.1", " , HTTPS , http", "https"),
    ("10.0.0.1", "http, https", "http"),
    ("10.0.0.1", "gopher", "http"),
    ("10.0.0.1", "", "http"),
    ("198.51.100.1", "https", "http"),
    (None, "https", "http"),
]


@pytest.fixture(autouse=True)
def trusting(settings: Settings) -> Iterator[None]:
    settings.TRUSTED_PROXIES = TRUSTED
    client_address.is_trusted.cache_clear()
    yield
    client_address.is_trusted.cache_clear()


def seen(peer: str | None, *lines: tuple[str, str]) -> Caller:
    """Who a request is from that has these header lines."""
    scope: Any = raw.scope("POST", "heartbeat", peer=peer)
    scope["headers"] += [(name.encode(), value.encode()) for name, value in lines]
    return client_address.caller(scope)


@pytest.mark.parametrize(("peer", "said", "address"), ADDRESSES)
def test_the_address_of_a_call(peer: str | None, said: str, address: str) -> None:
    asked = raw.scope("POST", "heartbeat", peer=peer, x_forwarded_for=said)
    assert client_address.caller(asked).address == address


@pytest.mark.parametrize(("said", "address"), FORWARDED)
def test_the_address_by_the_standard_header(said: str, address: str) -> None:
    assert seen("10.0.0.1", ("forwarded", said)).address == address
    assert seen("198.51.100.1", ("forwarded", said)).address == "198.51.100.1"


def test_a_list_goes_over_several_lines() -> None:
    lines = [("x-forwarded-for", "192.0.2.66"), ("x-forwarded-for", "203.0.113.7:1, 10.9.9.9")]
    assert seen("10.0.0.1", *lines).address == "203.0.113.7"
    own = [("forwarded", "for=203.0.113.7"), ("forwarded", "for=10.9.9.9")]
    assert seen("10.0.0.1", ("forwarded", 'for="192.0.2.66, '), *own).address == "203.0.113.7"


@pytest.mark.parametrize(
    ("said", "scheme"),
    [
        ("for=203.0.113.7;proto=https", "https"),
        ("for=203.0.113.7;proto=HTTPS, for=10.9.9.9;proto=http", "https"),
        ('for=203.0.113.7;proto="https"', "https"),
        ("for=203.0.113.7;proto=ftp", ""),
        ("for=203.0.113.7;proto=http, for=10.9.9.9;proto=https", "http"),
        ("for=192.0.2.66;proto=http, for=203.0.113.7;proto=https", "https"),  # the first is the caller's
        ("for=203.0.113.7;proto=https, for=192.0.2.1;proto=http", "https"),  # by a first proxy not trusted
        ("for=203.0.113.7", ""),
    ],
)
def test_the_scheme_by_the_standard_header(said: str, scheme: str) -> None:
    assert seen("10.0.0.1", ("forwarded", said)).scheme == scheme
    assert seen("10.0.0.1", ("forwarded", said), ("x-forwarded-proto", "http")).scheme == "http"
    assert seen("198.51.100.1", ("forwarded", said)).scheme == ""


@pytest.mark.parametrize(
    ("nodes", "schemes", "scheme"),
    [
        ("203.0.113.7", "https, http", "https"),
        ("203.0.113.7, 10.9.9.9", "https, http", "https"),
        ("203.0.113.7, 10.9.9.9", "http, https", "http"),
        ("192.0.2.66, 203.0.113.7", "http, https", "https"),  # the first is the caller's
        ("203.0.113.7, 192.0.2.1", "https, http", "https"),  # by a first proxy that is not trusted
        ("unknown", "https", "https"),
    ],
)
def test_the_scheme_of_the_caller_s_own_connection(nodes: str, schemes: str, scheme: str) -> None:
    said = (("x-forwarded-for", nodes), ("x-forwarded-proto", schemes))
    assert seen("10.0.0.1", *said).scheme == scheme


@pytest.mark.parametrize("ours", ["x-forwarded-for", "forwarded"])
def test_whichever_header_the_proxy_sets_the_other_moves_nobody_to_an_address_of_choice(ours: str) -> None:
    """The caller sent it, and the proxy passed it on."""
    said = {"x-forwarded-for": "203.0.113.7", "forwarded": "for=203.0.113.7"}
    forged = {"x-forwarded-for": "192.0.2.66", "forwarded": "for=192.0.2.66"}
    told = seen("10.0.0.1", *(forged | {ours: said[ours]}).items())
    assert (told.address, told.doubt) == ("10.0.0.1", Doubt.CONTRADICTORY)
    both = seen("10.0.0.1", *said.items())
    assert (both.address, both.doubt) == ("203.0.113.7", None)


@pytest.mark.parametrize(
    ("peer", "said", "doubt", "claimed"),
    [
        ("10.0.0.1", "203.0.113.7", None, ""),
        ("10.0.0.1", "192.0.2.66, 203.0.113.7", None, "192.0.2.66"),  # a caller's invention
        ("10.0.0.1", "10.0.0.2", None, ""),  # from a trusted network
        ("198.51.100.1", "203.0.113.7", None, ""),
        ("192.168.0.1", None, None, ""),
        ("127.0.0.1", "203.0.113.7:80", Doubt.NOT_TRUSTED, "203.0.113.7"),
        ("::1", "unknown", Doubt.NOT_TRUSTED, ""),
        ("172.20.0.3", "203.0.113.7, 10.0.0.1", Doubt.NOT_TRUSTED, "203.0.113.7"),
        ("10.0.0.1", "203.0.113.7, 192.168.0.1", Doubt.NOT_TRUSTED, "203.0.113.7"),  # of two proxies
        ("10.0.0.1", None, Doubt.SAYS_NOTHING, ""),
        ("10.0.0.1", "", Doubt.SAYS_NOTHING, ""),
        ("10.0.0.1", "unknown", Doubt.UNREADABLE, ""),
        (None, "203.0.113.7", None, ""),
    ],
)
def test_when_an_address_is_probably_a_proxy_s(
    peer: str | None, said: str | None, doubt: Doubt | None, claimed: str
) -> None:
    told = seen(peer, *([("x-forwarded-for", said)] if said is not None else []))
    assert (told.doubt, told.claimed) == (doubt, claimed)


@pytest.mark.parametrize("name", ["x-forwarded-for", "forwarded"])
@pytest.mark.parametrize("part", [" ", "\t", ",", ";", '"', "\\", "10.0.0.1,", "for=10.0.0.1,", '="\\', "[:"])
def test_what_fills_a_whole_head_is_not_looked_at_whole(name: str, part: str) -> None:
    """It would keep everybody waiting."""
    assert seen("10.0.0.1", (name, (part * 65536)[:65536] + "!")).address == "10.0.0.1"


def test_a_long_standard_header_is_not_read() -> None:
    said = ", ".join(["for=10.0.0.2"] * 250)
    assert seen("10.0.0.1", ("forwarded", f"for=203.0.113.7, {said}")).address == "203.0.113.7"
    told = seen("10.0.0.1", ("forwarded", f"for=203.0.113.7, {said}, {said}"))
    assert (told.address, told.doubt) == ("10.0.0.1", Doubt.UNREADABLE)


def test_what_is_no_address_is_not() -> None:
    for text in (
        "",
        "nobody",
        "203.0.113",
        "[]:80",
        "[nobody]:80",
        "1.2.3.4.5:80",
        "203.0.113.7:80 x",
        "::g",
    ):
        assert forwarded.address(text) == ""


def test_what_is_too_long_for_an_address_is_not_remembered() -> None:
    forwarded.canonical.cache_clear()
    assert forwarded.address("203.0.113.7".rjust(60_000)) == ""
    assert forwarded.canonical.cache_info().currsize == 0
