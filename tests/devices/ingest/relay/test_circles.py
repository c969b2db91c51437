"""A relay whose address leads back to itself, or to a relay that leads back, ends each call with 508."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from devices.ingest.http import Refused
from devices.ingest.open_calls import OpenCalls
from devices.ingest.relay import circles
from tests.devices.ingest.relay.alone import Alone, relaying, request
from tests.devices.ingest.relay.test_passing import REPORT, STATE

KEY = ("Authorization", "Bearer k")


def lead(relay: Alone, port: int) -> None:
    relay.address = relay.address._replace(port=port)


@pytest.fixture
def ring() -> Iterator[list[Alone]]:
    """Two relays, each of which leads to the other."""
    with ExitStack() as stack:
        first, second = (stack.enter_context(relaying(1)) for _ in range(2))
        lead(first, second.port)
        lead(second, first.port)
        yield [first, second]


@pytest.mark.parametrize("size", [0, 10, 200_000])
def test_a_call_that_comes_back_is_answered_508_with_a_sentence(ring: list[Alone], size: int) -> None:
    answer = ring[0].call(request("PATCH", REPORT, KEY, body=b"x" * size))
    assert answer.status == 508
    assert circles.GOES_IN_A_CIRCLE.encode() in answer.body
    assert ring[0].seen == ring[1].seen == []


def test_a_relay_that_leads_to_itself_leaves_nothing_open() -> None:
    with relaying(1) as relay:
        lead(relay, relay.port)
        for _ in range(3):
            assert relay.call(request("GET", STATE, KEY)).status == 508


def test_calls_that_differ_in_anything_are_not_alike() -> None:
    """A whole fleet may wait at once, and a device for several answers."""
    scopes = [
        {"method": method, "raw_path": path, "query_string": query, "headers": [(b"authorization", key)]}
        for method in ("GET", "PATCH")
        for path in (b"/a", b"/b")
        for query in (b"", b"q")
        for key in (b"1", b"2")
    ]
    alike = OpenCalls()
    with ExitStack() as stack:
        for scope in scopes:
            for body in (b"", b"{}"):
                for _ in range(circles.MOST):
                    stack.enter_context(circles.kept_out(alike, scope, body))  # type: ignore[arg-type]
        with pytest.raises(Refused), circles.kept_out(alike, scopes[0], b""):  # type: ignore[arg-type]
            pass
    assert not alike._open


def test_all_devices_may_ask_at_once_whether_the_api_is_there() -> None:
    """Without a key their calls are alike, and an API that is slow leaves many of them open."""
    asked = {"method": "HEAD", "raw_path": b"/ping", "query_string": b"", "headers": []}
    alike = OpenCalls()
    with ExitStack() as stack:
        for _ in range(circles.MOST_WITHOUT_KEY):
            stack.enter_context(circles.kept_out(alike, asked, b""))  # type: ignore[arg-type]
        with pytest.raises(Refused), circles.kept_out(alike, asked, b""):  # type: ignore[arg-type]
            pass
