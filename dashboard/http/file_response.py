"""Lists as files: CSV that a spreadsheet may open, and JSON; streamed, a batch in memory at a time.

A file holds a connection to the database for as long as its reader takes, so there are few at once.
"""

from __future__ import annotations

import csv
import io
import json
import re
import threading
import weakref
from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render

if TYPE_CHECKING:
    from django.http.response import HttpResponseBase

# A spreadsheet takes a cell that begins with one of these for a formula and runs it; some take the
# full-width signs too. Where it separates cells by something else than we do, a cell may begin after any of
# the separators, and it drops spaces and quotes.
SIGNS: Final = "-=+@\uff1d\uff0b\uff0d\uff20"
# An apostrophe before it makes it a text. Apostrophes that stand there already count: one more is put before
# them, so that taking one away always gives what it was.
FORMULA: Final = re.compile(rf"""((?:^|[,;|\t\r\n])[\s",;|]*+)('*+[{SIGNS}])?""")
BREAK: Final = re.compile(r"'*+[\t\r]")  # the same at the very beginning, by itself
BOM: Final = "\ufeff"  # without it Excel reads UTF-8 as something else

AT_ONCE: Final = 4  # files that a process sends, but never more than a quarter of its connections
EACH: Final = 2  # of them to one person
TRY_AGAIN: Final = 60  # seconds until it is worth another try

P = ParamSpec("P")
Row = dict[str, Any]
Batches = AsyncIterable[list[Row]]  # may have a close(), for what it holds


def csv_file(name: str, columns: Iterable[str], batches: Batches) -> File:
    """The rows with these columns, the first line naming them."""
    names = list(columns)

    async def text() -> AsyncIterator[str]:
        yield BOM + csv_lines([names])
        async for rows in batches:
            yield csv_lines([row[column] for column in names] for row in rows)

    return _file(f"{name}.csv", "text/csv; charset=utf-8", Text(text(), batches))


def json_file(name: str, batches: Batches) -> File:
    """The rows as an array of objects, each on a line of its own."""

    async def text() -> AsyncIterator[str]:
        before = "[\n"
        async for rows in batches:
            if rows:
                yield before + ",\n".join(map(_words, rows))
                before = ",\n"
        yield "[]\n" if before == "[\n" else "\n]\n"

    return _file(f"{name}.json", "application/json", Text(text(), batches))


def csv_lines(rows: Iterable[Iterable[Any]]) -> str:
    """These rows in CSV. A structure is written as JSON; what a spreadsheet would run is
    quoted by an apostrophe, whichever separator it uses."""
    text = io.StringIO()
    csv.writer(text).writerows([cell(value) for value in row] for row in rows)
    return text.getvalue()


def cell(value: Any) -> str:
    if value is None:
        return ""
    words = value if isinstance(value, str) else _words(value)
    if BREAK.match(words):
        words = f"'{words}"
    return FORMULA.sub(_quoted, words)


def plain(words: str) -> str:
    """The text that `cell` has written so, or a person behind an apostrophe into a spreadsheet."""
    if words.startswith("'") and BREAK.match(words):
        words = words[1:]
    return FORMULA.sub(_unquoted, words)


def _quoted(begins: re.Match[str]) -> str:
    return f"{begins[1]}'{begins[2]}" if begins[2] else begins[0]


def _unquoted(begins: re.Match[str]) -> str:
    return begins[1] + (begins[2] or "").removeprefix("'")


def _words(value: Any) -> str:
    return json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False)


class Text:
    """The text of a file as it is sent. Whether or not somebody reads it to its end, its rows are closed."""

    def __init__(self, parts: AsyncIterator[str], batches: Batches) -> None:
        self._parts, self._batches = parts, batches

    def __aiter__(self) -> AsyncIterator[str]:
        return self._parts

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


class Places:
    """Who is sent a file by this process, so that the connections to the database suffice for its pages."""

    def __init__(self) -> None:
        self._taken: Counter[int] = Counter()
        self._lock = threading.Lock()

    def take(self, person: int) -> int | None:
        """A place for one more file; the status that says why there is none."""
        most = max(1, min(AT_ONCE, settings.DATABASE_POOL // 4)) if settings.DATABASE_POOL else AT_ONCE
        with self._lock:
            if self._taken[person] >= EACH:
                return 429
            if self._taken.total() >= most:
                return 503
            self._taken[person] += 1
        return None

    def leave(self, person: int) -> None:
        with self._lock:
            self._taken[person] -= 1
            self._taken += Counter()  # drops who has none


PLACES: Final = Places()


def one_of_few(
    view: Callable[Concatenate[HttpRequest, P], File],
) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
    """For a view that answers with a file: where too many are under way, a page says when to try again."""

    @wraps(view)
    def limited(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        person = request.user.pk or 0  # @signed_in stands around this
        if status := PLACES.take(person):
            return _full(request, status)
        try:
            file = view(request, *args, **kwargs)
        except BaseException:
            PLACES.leave(person)
            raise
        # Also where its reader was gone before it began, so that nobody closes it.
        file.leave = weakref.finalize(file, PLACES.leave, person)
        return file

    return limited


FULL: Final = {
    429: (
        "You are taking two exports already",
        "No more go to one person at once. Nothing was changed: ask again when one of them is complete.",
    ),
    503: (
        "Too many exports are under way",
        "More at once would slow everybody's pages. Nothing was changed: try again in a minute.",
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
