"""Compressed answers: pages as Django does it, streamed files by one compressor from beginning to end."""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator
from gzip import GzipFile
from io import BytesIO
from typing import Final, cast

from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.middleware.gzip import GZipMiddleware, re_accepts_gzip
from django.utils.cache import patch_vary_headers

LEVEL: Final = 1  # of files: in a third of the time of Django's 6, for a quarter more bytes
REFUSED: Final = re.compile(r"\s*q\s*=\s*0(\.0*)?\s*")


class GZip(GZipMiddleware):
    """Django's, except for asynchronous streams.

    Of those it makes each part a gzip member of its own. Browsers and curl decode the first member and drop
    the rest without an error, so that a file ended after its first part.
    """

    def process_request(self, request: HttpRequest) -> None:
        """For this middleware and the one of static files, which look for names and not at weights."""
        request.META["HTTP_ACCEPT_ENCODING"] = accepted(request.META.get("HTTP_ACCEPT_ENCODING", ""))

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if not isinstance(response, StreamingHttpResponse) or not response.is_async:
            return super().process_response(request, response)
        if response.has_header("Content-Encoding"):
            return response
        patch_vary_headers(response, ("Accept-Encoding",))
        if re_accepts_gzip.search(request.META["HTTP_ACCEPT_ENCODING"]):
            chunks = cast("AsyncIterator[bytes]", response.streaming_content)  # is_async says so
            response.streaming_content = compressed(chunks, self.max_random_bytes)
            response["Content-Encoding"] = "gzip"
        return response


def accepted(header: str) -> str:
    """What this Accept-Encoding names, without what it refuses: `gzip;q=0` (RFC 9110, 12.5.3)."""
    entries = (entry.partition(";") for entry in header.lower().split(","))
    return ", ".join(name.strip() for name, _, weight in entries if not REFUSED.fullmatch(weight))


async def compressed(chunks: AsyncIterator[bytes], most_random: int) -> AsyncIterator[bytes]:
    """These parts as one gzip member, whose name has a random length below `most_random` (against BREACH).

    Where the parts end by an exception there is no trailer, so that the reader can tell that some is missing.
    """
    buffer, name = BytesIO(), "a" * secrets.randbelow(most_random)
    with GzipFile(name, "wb", LEVEL, buffer, mtime=0) as file:
        async for chunk in chunks:
            file.write(chunk)
            if ready := _taken(buffer):
                yield ready
    yield _taken(buffer)


def _taken(buffer: BytesIO) -> bytes:
    """What the buffer holds; it is empty afterwards."""
    held = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return held
