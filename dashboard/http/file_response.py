"""Lists as files: CSV that a spreadsheet may open, and JSON; streamed, a batch in memory at a time.

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

AT_ONCE: Final = 4  # files that a process sends, but never more than a quarter of its connections
PER_PERSON: Final = 2  # of them to one person
TRY_AGAIN: Final = 60  # seconds until it is worth another try

P = ParamSpec("P")
Row = Sequence[Any]  # the values of the columns
Batches = AsyncIterable[Sequence[Row]]  # may have a close(), for what it holds


def csv_file(name: str, columns: Sequence[str], batches: Batches) -> File:
    """The rows with these columns, the first line naming them."""

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
    """The text of a file as it is sent. Whether or not somebody reads it to its end, its rows are closed."""

    def __init__(self, chunks: AsyncIterator[str] | AsyncIterator[bytes], batches: Batches) -> None:
        self._chunks, self._batches = chunks, batches

    def __aiter__(self) -> AsyncIterator[str] | AsyncIterator[bytes]:
        return self._chunks

    def close(self) -> None:
        """What Django calls once the answer is over, in the thread of the request."""
        if close := getattr(self._batches, "close", None):
            close()


class File(StreamingHttpResponse):
    """A file as it is sent; `leave` frees its place, whether it came to its end or not."""

    leave: Callable[[], object] | None = None

    def close(self) -> None:
        super().close()
        if self.leave:
            self.leave()


class DownloadSlots:
    """Who is sent a file by this process, so that the connections to the database suffice for its pages."""

    def __init__(self) -> None:
        self._taken: Counter[int] = Counter()
        self._lock = threading.Lock()

    def take(self, person: int) -> int | None:
        """A place for one more file; the status that says why there is none."""
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
            self._taken += Counter()  # drops who has none


DOWNLOAD_SLOTS: Final = DownloadSlots()


def limited_downloads(
    view: Callable[Concatenate[HttpRequest, P], File],
) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
    """For a view that answers with a file: where too many are under way, a page says when to try again."""

    @wraps(view)
    def limited(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        person = request.user.pk or 0  # @signed_in stands around this
        if status := DOWNLOAD_SLOTS.take(person):
            return _full(request, status)
        try:
            file = view(request, *args, **kwargs)
        except BaseException:
            DOWNLOAD_SLOTS.leave(person)
            raise
        # Also where its reader was gone before it began, so that nobody closes it.
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
