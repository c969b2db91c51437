"""Calls that are large, slow, cut, repeated or odd: they pass, or fail, as they would without the relay."""

from __future__ import annotations

import hashlib
import logging
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from devices.ingest.relay import passing, pool
from devices.ingest.relay.observations import Away
from tests.devices.ingest.relay.alone import Alone, Answer, chunks, line, read, relaying, request
from tests.devices.ingest.relay.upstream import Sent, Upstream, upstream
from tests.worker import wait_until

UUID = "a0000000000000000000000000000002"
STATE = f"/device/v3/{UUID}/state"
REPORT = "/device/v3/state"
OK = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
DATE = "Date: now"
LARGE = 10 * 1024 * 1024


@pytest.fixture
def api() -> Iterator[Upstream]:
    with upstream(OK) as api:
        yield api


@pytest.fixture
def relay(api: Upstream) -> Iterator[Alone]:
    with relaying(api.port) as relay:
        yield relay


def body(size: int) -> bytes:
    """Bytes that are not the same when a part is missing or twice."""
    return b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(size // 32))


def framed(data: bytes, size: int) -> bytes:
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def test_a_large_request_passes_whole(relay: Alone, api: Upstream) -> None:
    data = body(LARGE)
    assert relay.call(request("PATCH", REPORT, body=data)).status == 200
    assert [sent.body for sent in api.sent] == [data]
    assert relay.seen == []  # it is passed on, and not read


def test_a_chunked_request_passes_whole_in_chunks(relay: Alone, api: Upstream) -> None:
    for data in (b"", b"{}", body(LARGE)):
        head = request("PATCH", REPORT, ("Transfer-Encoding", "chunked"))
        assert relay.call(head + framed(data, 50_000)).status == 200
        assert (api.sent[-1].body, api.sent[-1].names["transfer-encoding"]) == (data, "chunked")
        assert "content-length" not in api.sent[-1].names


@pytest.mark.parametrize("chunked", [False, True])
def test_a_large_answer_passes_whole(relay: Alone, api: Upstream, *, chunked: bool) -> None:
    data = body(LARGE)
    head = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % len(data)
    api.answers = [b"HTTP/1.1 200 OK\r\n%b\r\n\r\n" % head + (framed(data, 70_000) if chunked else data)]
    answer = relay.call(request("GET", STATE))
    assert (answer.status, answer.framing) == (200, "chunked" if chunked else "length")
    assert answer.body == data


def test_a_caller_that_reads_nothing_stops_the_api(relay: Alone, api: Upstream) -> None:
    written = []

    def endless(sent: Sent, connection: socket.socket) -> bool:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (100 * LARGE))
        for _ in range(100):
            connection.sendall(bytes(LARGE))
            written.append(LARGE)
        return False

    api.answers = [endless]
    with closing(relay.connect()) as connection:
        connection.sendall(request("GET", STATE))
        wait_until(lambda: api.sent)
    assert sum(written) <= 2 * LARGE
    assert relay.ended.acquire(timeout=20)


def test_head_has_the_length_and_no_body(relay: Alone, api: Upstream) -> None:
    for header in ("Content-Length: 683", "Transfer-Encoding: chunked"):
        api.answers = [f"HTTP/1.1 200 OK\r\n{DATE}\r\n{header}\r\n\r\n".encode()]
        answer = relay.call(request("HEAD", STATE))
        assert answer.headers == [("date", "now"), tuple(header.lower().split(": "))]
        assert answer.body == b""
    assert {sent.connection for sent in api.sent} == {1}


def test_an_answer_without_a_body_may_name_a_length(relay: Alone, api: Upstream) -> None:
    api.answers = [b'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\nDate: now\r\nContent-Length: 683\r\n\r\n']
    answers = [relay.call(request("GET", STATE)) for _ in range(2)]
    assert answers == [Answer(304, [("etag", '"x"'), ("date", "now")], b"", "no body")] * 2


def test_an_answer_that_ends_with_its_connection_passes_in_chunks(relay: Alone, api: Upstream) -> None:
    def old(sent: Sent, connection: socket.socket) -> bool:
        connection.sendall(b"HTTP/1.0 200 OK\r\n\r\nold times")
        return False

    api.answers = [old]
    answers = [relay.call(request("GET", STATE)) for _ in range(2)]
    assert [(answer.body, answer.framing) for answer in answers] == [(b"old times", "chunked")] * 2


def test_headers_keep_their_order_and_their_doubles(relay: Alone, api: Upstream) -> None:
    api.answers = [
        b"HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nDate: \xe4\r\nSet-Cookie: b\r\nContent-Length: 0\r\n\r\n"
    ]
    pairs = [("X-Forwarded-For", "192.0.2.1"), ("X-One", "1"), ("X-Forwarded-Proto", "https"), ("X-One", "2")]
    answer = relay.call(request("GET", f"{STATE}?apikey=a%20b&$filter='x'", *pairs))
    assert answer.headers == [
        ("set-cookie", "a"),
        ("date", "ä"),
        ("set-cookie", "b"),
        ("content-length", "0"),
    ]
    (sent,) = api.sent
    assert sent.line == f"GET {STATE}?apikey=a%20b&$filter='x' HTTP/1.1"
    assert sent.headers == [("host", "api.example"), *((name.lower(), value) for name, value in pairs)]


def test_headers_of_a_connection_stay_on_it(relay: Alone, api: Upstream) -> None:
    theirs = b"Connection: keep-alive, X-Hop\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\n"
    api.answers = [b"HTTP/1.1 200 OK\r\n%bContent-Length: 0\r\n\r\n" % theirs]
    mine = [("Connection", "close, X-Mine"), ("X-Mine", "1"), ("TE", "trailers"), ("Keep-Alive", "timeout=9")]
    answer = relay.call(request("GET", STATE, *mine))
    assert {name for name, _ in answer.headers} == {"date", "content-length", "connection"}
    assert answer.names["connection"] == "close"  # our own, as it was asked for
    assert [name for name, _ in api.sent[0].headers] == ["host"]


def test_an_upgrade_is_answered_as_a_call_without_it(relay: Alone, api: Upstream) -> None:
    wish = [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")]
    assert relay.call(request("GET", STATE, *wish)).status == 200
    assert [name for name, _ in api.sent[0].headers] == ["host", "sec-websocket-version"]


def test_connect_is_refused_and_not_passed_on(relay: Alone, api: Upstream) -> None:
    for target in ("api.example:443", STATE):
        with closing(relay.connect()) as connection:
            connection.sendall(request("CONNECT", target))
            assert read(connection, "CONNECT").status == (400 if ":" in target else 421)
    assert api.sent == []


def test_a_body_waits_until_the_api_wants_it(relay: Alone, api: Upstream) -> None:
    with closing(relay.connect()) as connection:
        connection.sendall(request("PATCH", REPORT, ("Expect", "100-continue"), ("Content-Length", "2")))
        with connection.makefile("rb") as stream:
            assert line(stream) == "HTTP/1.1 100 Continue"
            assert not line(stream)
            connection.sendall(b"{}")
            assert line(stream) == "HTTP/1.1 200 OK"
    assert [(sent.names["expect"], sent.body) for sent in api.sent] == [("100-continue", b"{}")]


def test_an_answer_may_come_before_the_end_of_the_call() -> None:
    answered = b"HTTP/1.1 413 Payload Too Large\r\nContent-Length: 4\r\n\r\nlong"

    with upstream(answered) as api, relaying(api.port) as relay:
        api.reads_bodies = False
        answer = relay.call(request("PATCH", REPORT, body=body(LARGE)))
    assert (answer.status, answer.body) == (413, b"long")


def test_a_kept_connection_is_used_again(relay: Alone, api: Upstream) -> None:
    for _ in range(5):
        relay.call(request("GET", STATE))
    assert [sent.connection for sent in api.sent] == [1] * 5


def test_a_call_that_meets_a_closed_connection_is_made_once_more(relay: Alone, api: Upstream) -> None:
    def close(sent: Sent, connection: socket.socket) -> bool:
        return False

    api.answers = [OK, close, OK]
    relay.call(request("GET", STATE))
    assert relay.call(request("PATCH", REPORT, body=b"{}")).status == 200
    assert [(sent.connection, sent.body) for sent in api.sent] == [(1, b""), (1, b"{}"), (2, b"{}")]


def test_a_call_on_a_new_connection_is_made_once(relay: Alone, api: Upstream) -> None:
    def close(sent: Sent, connection: socket.socket) -> bool:
        return False

    api.answers = [close]
    answer = relay.call(request("PATCH", REPORT, body=b"{}"))
    assert (answer.status, len(api.sent)) == (502, 1)


def test_a_connection_does_not_rest_as_long_as_the_api_keeps_it(
    relay: Alone, api: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert pool.REST < 4
    monkeypatch.setattr(pool, "REST", 0.0)
    relay.call(request("GET", STATE))
    (resting,) = relay.relay._ways.pool._resting.values()
    wait_until(lambda: not resting[0].is_usable())
    relay.call(request("GET", STATE))
    assert [sent.connection for sent in api.sent] == [1, 2]


@pytest.mark.parametrize("answer", [b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"])
def test_what_is_not_http_is_a_bad_gateway(relay: Alone, api: Upstream, answer: bytes) -> None:
    api.answers = [answer]
    told = relay.call(request("GET", STATE))
    assert (told.status, told.names["content-type"]) == (502, "application/json")


def test_an_api_that_does_not_answer_is_a_bad_gateway(
    relay: Alone, api: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(sent: Sent, connection: socket.socket) -> bool:
        return not api.ending.wait(60)

    monkeypatch.setattr(passing, "TIMEOUT", 0.2)
    api.answers = [never]
    assert relay.call(request("GET", STATE)).body == b'{"error":"The API did not answer in time."}'


def test_an_api_that_is_down_is_a_bad_gateway() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with relaying(port) as relay:
        for _ in range(3):
            assert relay.call(request("GET", STATE)).status == 502
        assert relay.seen == [Away()]  # once in a while


@pytest.mark.parametrize("head", ["Content-Length: 20", "Transfer-Encoding: chunked"])
def test_an_answer_that_is_cut_is_cut_for_the_caller(
    relay: Alone, api: Upstream, head: str, caplog: pytest.LogCaptureFixture
) -> None:
    def cut(sent: Sent, connection: socket.socket) -> bool:
        connection.sendall(f"HTTP/1.1 200 OK\r\n{head}\r\n\r\na\r\n0123456789\r\n".encode())
        return False

    api.answers = [cut]
    caplog.set_level(logging.CRITICAL)
    with closing(relay.connect()) as connection:
        connection.sendall(
            request("GET", STATE, ("User-Agent", "Supervisor/19"), ("Authorization", "Bearer k"))
        )
        with pytest.raises(EOFError):
            read(connection, "GET")
    assert relay.ended.acquire(timeout=20)
    assert relay.seen == []


def test_a_caller_that_leaves_within_its_body_has_called_nobody(relay: Alone, api: Upstream) -> None:
    with closing(relay.connect()) as connection:
        connection.sendall(request("PATCH", REPORT, ("Content-Length", "100")) + b"{")
    assert relay.ended.acquire(timeout=20)
    assert (api.sent, relay.seen) == ([], [])


def test_a_pipelined_call_is_answered_after_the_first(relay: Alone, api: Upstream) -> None:
    with closing(relay.connect()) as connection, connection.makefile("rb") as stream:
        connection.sendall(request("GET", STATE) * 2)
        for _ in range(2):
            assert line(stream) == "HTTP/1.1 200 OK"
            while line(stream):
                pass
            assert chunks(stream) == b""
