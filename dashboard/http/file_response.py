"""Streamed files of rows, as CSV that is safe for spreadsheets or as JSON, a batch in memory at a time.

A file holds a connection to the database for as long as its reader takes, so there are few at once.
"""

from __future__ import annotations

import threading
import weakref
from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec

import msgspec
from django.conf import settings
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render

from devices.operations.csv_cells import BOM, csv_lines

if TYPE_CHECKING:
    from django.http.response import HttpResponseBase

AT_ONCE: Final = 4  # downloads at once in a process, but at most a quarter of its database connections
PER_PERSON: Final = 2  # downloads at once of one person
TRY_AGAIN: Final = 60  # seconds, as Retry-After

P = ParamSpec("P")
Row = Sequence[Any]  # the values of the columns
Batches = AsyncIterable[Sequence[Row]]  # may have a close(), for what it holds


def csv_file(name: str, columns: Sequence[str], batches: Batches) -> File:
    """A CSV file of these columns of the rows, with their names in the first line; `name` has no suffix."""

    async def text() -> AsyncIterator[str]:
        yield BOM + csv_lines([columns])
        async for rows in batches:
            yield csv_lines(rows)

    return _file(f"{name}.csv", "text/csv; charset=utf-8", Text(text(), batches))


def json_file(name: str, columns: Sequence[str], batches: Batches, written: Iterable[str] = ()) -> File:
    """The rows as an array of objects with these columns, each on a line of its own.

    `written`: the columns whose values are JSON already.
    """
    encode = msgspec.json.Encoder().encode

    def line(row: Row) -> bytes:
        named = dict(zip(columns, row, strict=True))
        for column in written:
            named[column] = msgspec.Raw(named[column])
        return encode(named)

    async def text() -> AsyncIterator[bytes]:
        before = b"[\n"
        async for rows in batches:
            if rows:
                yield before + b",\n".join(map(line, rows))
                before = b",\n"
        yield b"[]\n" if before == b"[\n" else b"\n]\n"

    return _file(f"{name}.json", "application/json", Text(text(), batches))


class Text:
    """The text of a file while it is sent; its batches are closed, even if the reader leaves early."""

    def __init__(self, chunks: AsyncIterator[str] | AsyncIterator[bytes], batches: Batches) -> None:
        self._chunks, self._batches = chunks, batches

    def __aiter__(self) -> AsyncIterator[str] | AsyncIterator[bytes]:
        return self._chunks

    def close(self) -> None:
        """Close the batches; Django calls it once the response is over, in the thread of the request."""
        if close := getattr(self._batches, "close", None):
            close()


class File(StreamingHttpResponse):
    """A file response; `leave` frees its download slot when it is closed, complete or not."""

    leave: Callable[[], object] | None = None

    def close(self) -> None:
        super().close()
        if self.leave:
            self.leave()


class DownloadSlots:
    """The downloads of this process by person; limited, so that enough connections are left for pages."""

    def __init__(self) -> None:
        self._taken: Counter[int] = Counter()
        self._lock = threading.Lock()

    def take(self, person: int) -> int | None:
        """Take a slot for this person (primary key); returns the HTTP status of a refusal, None if taken."""
        most = max(1, min(AT_ONCE, settings.DATABASE_POOL // 4)) if settings.DATABASE_POOL else AT_ONCE
        with self._lock:
            if self._taken[person] >= PER_PERSON:
                return 429
            if self._taken.total() >= most:
                return 503
            self._taken[person] += 1
        return None

    def leave(self, person: int) -> None:
        with self._lock:
            self._taken[person] -= 1
            self._taken += Counter()  # removes people without downloads


DOWNLOAD_SLOTS: Final = DownloadSlots()


def limited_downloads(
    view: Callable[Concatenate[HttpRequest, P], File],
) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
    """A decorator for views of files: if too many downloads run, a page tells when to try again."""

    @wraps(view)
    def limited(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        person = request.user.pk or 0  # never 0, as @signed_in is around this
        if status := DOWNLOAD_SLOTS.take(person):
            return _full(request, status)
        try:
            file = view(request, *args, **kwargs)
        except BaseException:
            DOWNLOAD_SLOTS.leave(person)
            raise
        # Also called if the reader left before the download began, when nothing closes the file.
        file.leave = weakref.finalize(file, DOWNLOAD_SLOTS.leave, person)
        return file

    return limited


FULL: Final = {
    429: (
        "You are already downloading two exports",
        "Two at the same time are the limit. Nothing was changed. Try again when one of them is complete.",
    ),
    503: (
        "Too many exports are running",
        "More exports would slow down the site. Nothing was changed. Try again in a minute.",
    ),
}


def _full(request: HttpRequest, status: int) -> HttpResponse:
    heading, words = FULL[status]
    response = render(request, "refused.html", {"heading": heading, "words": words}, status=status)
    response["Retry-After"] = str(TRY_AGAIN)
    return response


def _file(name: str, kind: str, text: Text) -> File:
    response = File(text, content_type=kind)
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
