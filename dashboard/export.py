"""Lists as files: CSV that a spreadsheet may open, and JSON; streamed, a batch in memory at a time."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from typing import Any, Final

from django.core.serializers.json import DjangoJSONEncoder
from django.http import StreamingHttpResponse

# A cell that begins so a spreadsheet takes for a formula, and runs.
RUN: Final = ("=", "+", "-", "@", "\t", "\r")

Row = dict[str, Any]
Batches = AsyncIterable[list[Row]]  # may have a close(), for what it holds


def csv_file(name: str, columns: Iterable[str], batches: Batches) -> StreamingHttpResponse:
    """The rows with these columns, the first line naming them."""
    names = list(columns)

    async def text() -> AsyncIterator[str]:
        yield csv_lines([names])
        async for rows in batches:
            yield csv_lines([row[column] for column in names] for row in rows)

    return _file(f"{name}.csv", "text/csv; charset=utf-8", Text(text(), batches))


def json_file(name: str, batches: Batches) -> StreamingHttpResponse:
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
    """These rows in CSV. A structure is written as JSON; what would be run is quoted by an apostrophe."""
    text = io.StringIO()
    csv.writer(text).writerows([cell(value) for value in row] for row in rows)
    return text.getvalue()


def cell(value: Any) -> str:
    if value is None:
        return ""
    words = value if isinstance(value, str) else _words(value)
    return f"'{words}" if words.startswith(RUN) else words


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


def _file(name: str, kind: str, text: Text) -> StreamingHttpResponse:
    response = StreamingHttpResponse(text, content_type=kind)
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
