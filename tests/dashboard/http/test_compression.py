"""Streamed files are one gzip member from beginning to end, since readers decode the first only."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.test import AsyncClient, Client, RequestFactory

from dashboard.http.compression import GZip
from fleets.models import Role
from tests.factories import make_device, make_fleet, make_member

PARTS = [b"uuid,name\n", b"1,pump\n" * 100_000, b"2,valve\n"]


class Broken(Exception):
    """What the rows come from went away."""


async def parts(*, broken: bool = False) -> AsyncIterator[bytes]:
    for part in PARTS:
        yield part
    if broken:
        raise Broken


def sent(response: HttpResponseBase, accept: str = "gzip, deflate, br, zstd") -> Any:
    request = RequestFactory(headers={"accept-encoding": accept}).get("/")
    return GZip(lambda _: response)(request)


def read(response: Any, into: list[bytes] | None = None) -> bytes:
    """All that is sent, also where it breaks off."""
    got = [] if into is None else into

    async def whole() -> None:
        async for part in response.streaming_content:
            got.append(part)

    async_to_sync(whole)()
    return b"".join(got)


def first_member(compressed: bytes) -> tuple[bytes, Any]:
    """What a browser makes of it, and the decompressor: whether it came to an end, and what lies behind."""
    decoder = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    return decoder.decompress(compressed), decoder


def test_a_stream_is_one_member() -> None:
    answer = sent(StreamingHttpResponse(parts()))
    assert answer["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in answer["Vary"]
    compressed = read(answer)
    text, decoder = first_member(compressed)
    assert text == b"".join(PARTS)
    assert decoder.eof
    assert decoder.unused_data == b""
    assert len(compressed) < len(text) / 100


def test_a_stream_that_breaks_off_does_not_end_as_if_it_were_whole() -> None:
    got: list[bytes] = []
    with pytest.raises(Broken):
        read(sent(StreamingHttpResponse(parts(broken=True))), got)
    assert not first_member(b"".join(got))[1].eof


@pytest.mark.parametrize("accept", ["identity", "", "br", "gzip;q=0", "br, GZIP ; Q=0.000", "gzip;q=0, *"])
def test_a_stream_is_as_it_is_to_those_who_do_not_read_gzip(accept: str) -> None:
    answer = sent(StreamingHttpResponse(parts()), accept=accept)
    assert "Content-Encoding" not in answer
    assert "Accept-Encoding" in answer["Vary"]
    assert read(answer) == b"".join(PARTS)


def test_what_is_encoded_already_is_left_alone() -> None:
    answer = sent(StreamingHttpResponse(parts(), headers={"Content-Encoding": "br"}))
    assert answer["Content-Encoding"] == "br"
    assert read(answer) == b"".join(PARTS)


def test_the_same_file_has_another_length_each_time() -> None:
    assert len({len(read(sent(StreamingHttpResponse(parts())))) for _ in range(20)}) > 1


@pytest.mark.django_db
def test_an_export_is_compressed_as_one(client: Client) -> None:
    fleet = make_fleet()
    for _ in range(3):
        make_device(fleet)
    client.force_login(make_member(fleet.organization, Role.OBSERVER))

    async def fetch() -> bytes:
        asked = AsyncClient()
        asked.cookies = client.cookies
        answer: Any = await asked.get("/devices/devices.csv", headers={"accept-encoding": "gzip"})
        return b"".join([part async for part in answer.streaming_content])

    text, decoder = first_member(async_to_sync(fetch)())
    assert decoder.eof
    assert decoder.unused_data == b""
    assert len(text.splitlines()) == 1 + 3


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        ("gzip, deflate, br", "gzip, deflate, br"),
        ("br;q=1.0, GZIP;q=0.5, *;q=0", "br, gzip"),
        ("gzip;q=0", ""),
        ("gzip; q=0.0,identity", "identity"),
        ("gzip;q=0.001", "gzip"),
    ],
)
def test_what_a_caller_refuses_is_not_seen_by_what_answers(header: str, accepted: str) -> None:
    request = RequestFactory(headers={"accept-encoding": header}).get("/")
    GZip(lambda _: HttpResponse())(request)
    assert request.META["HTTP_ACCEPT_ENCODING"] == accepted
