"""HTTP to named services: what leads inside is refused, and no answer can be too much."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import ip_network
from typing import Any

import pytest
from pytest_django import Settings

from devices.alerts import outbound
from devices.alerts.outbound import NotAllowed, Request, Unreachable
from devices.alerts.transports.envelope import Outcome, by_http
from tests.devices.alerts.receivers import Reply, WebReceiver, web_receiver
from tests.devices.alerts.sending import make_target
from tests.devices.alerts.test_transports import envelope

INSIDE = (
    "127.0.0.1",
    "127.1",
    "0.0.0.0",  # noqa: S104 - a caller reaches itself by it
    "10.0.0.7",
    "172.16.0.1",
    "192.168.1.1",
    "100.100.100.200",
    "169.254.169.254",
    "168.63.129.16",
    "224.0.0.1",
    "[::1]",
    "[::]",
    "[fe80::1]",
    "[fd00:ec2::254]",
    "[ff02::1]",
    "[::ffff:127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "2130706433",
    "0x7f.1",
    "localhost",
)


@pytest.mark.parametrize("host", INSIDE)
def test_ssrf(host: str) -> None:
    """Whatever it is written as."""
    with pytest.raises(NotAllowed, match="not a public address"):
        outbound.send(Request(f"https://{host}:1/"))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://example.com/", "must begin with https://"),
        ("ftp://example.com/", "begins with https://"),
        ("https:///path", "begins with https://"),
        ("https://user:word@example.com/", "user name"),
        ("https://example.com/\r\nX: y", "no spaces"),
        ("https://example.com:99999/", "not an address"),
        ("https://good.example\\@127.0.0.1/", "not an address"),
    ],
)
def test_an_address_that_cannot_be_is_named(url: str, said: str) -> None:
    with pytest.raises(NotAllowed, match=said):
        outbound.send(Request(url))


def test_a_network_that_the_site_lists_is_allowed(web: WebReceiver) -> None:
    answer = outbound.send(Request(f"{web.url}/hook", b"{}", {"X-Own": "1"}))
    assert (answer.status, answer.body) == (200, b"ok")
    (call,) = web.calls
    assert (call.method, call.path, call.body, call.headers["x-own"]) == ("POST", "/hook", b"{}", "1")


def resolves_to(monkeypatch: pytest.MonkeyPatch, *answers: str) -> list[str]:
    """The names of a name server that answers each time with the next of these addresses."""
    asked: list[str] = []

    async def getaddrinfo(loop: Any, host: str, port: int, **options: Any) -> list[Any]:
        asked.append(host)
        address = answers[min(len(asked), len(answers)) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in address.split()]

    monkeypatch.setattr(asyncio.base_events.BaseEventLoop, "getaddrinfo", getaddrinfo)
    return asked


def test_a_name_that_answers_differently_the_second_time(
    web: WebReceiver, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked once; the connection is made to the address that was checked."""
    settings.TARGETS_PRIVATE = [ip_network("127.0.0.1/32")]
    asked = resolves_to(monkeypatch, "127.0.0.1", "127.0.0.2")
    assert outbound.send(Request(f"http://hook.example:{web.port}/")).status == 200
    assert asked == ["hook.example"]


def test_a_name_of_which_one_address_leads_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    resolves_to(monkeypatch, "93.184.215.14 169.254.169.254")
    with pytest.raises(NotAllowed, match=r"hook\.example leads to 169\.254\.169\.254"):
        outbound.send(Request("https://hook.example/"))


@pytest.mark.django_db
def test_a_redirect_is_not_followed(web: WebReceiver) -> None:
    with web_receiver() as other:
        web.answer = lambda call: Reply(302, headers={"Location": other.url})
        result = by_http(lambda envelope: Request(web.url), envelope(make_target()))
    assert (result.outcome, result.status) == (Outcome.REFUSED, 302)
    assert "Redirects are not followed" in result.text
    assert not other.calls


def test_of_megabytes_the_beginning_is_read(web: WebReceiver) -> None:
    web.answer = lambda call: Reply(body=b"x" * 5_000_000)
    assert len(outbound.send(Request(web.url)).body) == outbound.READ


def test_a_compressed_answer_is_not_unpacked(web: WebReceiver) -> None:
    web.answer = lambda call: Reply(body=b"zip", headers={"Content-Encoding": "gzip"})
    assert outbound.send(Request(web.url)).body == b"zip"


def test_a_receiver_that_does_not_answer(web: WebReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbound, "WHOLE", 0.3)
    released = web.came.__class__()

    def wait(call: object) -> Reply:
        released.wait(30)
        return Reply()

    web.answer = wait
    with pytest.raises(Unreachable, match="in time"):
        outbound.send(Request(web.url))
    released.set()


def test_a_receiver_that_is_closed(loopback: None) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(Unreachable, match="refused the connection"):
            outbound.send(Request(url))


@pytest.mark.parametrize("value", ["a\r\nX: y", "a\nb", "a\0b"])
def test_a_header_with_a_line_break_is_not_sent(web: WebReceiver, value: str) -> None:
    with pytest.raises(NotAllowed, match="line break"):
        outbound.send(Request(web.url, headers={"X-Own": value}))
    assert not web.calls


def test_what_is_too_large_is_not_sent(web: WebReceiver) -> None:
    with pytest.raises(NotAllowed, match="256 kB"):
        outbound.send(Request(web.url, b"x" * (outbound.SENT + 1)))
    assert not web.calls
