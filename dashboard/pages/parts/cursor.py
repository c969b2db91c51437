"""Reading the page of a list that the cursor in `?after=` or `?before=` names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from django.http import HttpRequest

from fleets.postgres.keyset import UnreadableCursor


class HasEnd(Protocol):
    @property
    def past_end(self) -> bool: ...


P = TypeVar("P", bound=HasEnd)


def requested_page(
    request: HttpRequest,
    notices: list[str],
    read: Callable[..., P],
    *,
    unreadable: str = "The address names an unknown place in this list, so the list starts at the top.",
    past: str = "There is nothing after that place in the list. This is its last page.",
) -> P:
    """The page that the request's cursor names.

    `read` takes the cursors `after` and `before`, and neither for the first page. If the cursor cannot be
    read, it is the first page and `unreadable` is appended to `notices`; if no row is left after it, it is
    the last page and `past` is appended.
    """
    after, before = request.GET.get("after", ""), request.GET.get("before", "")
    try:
        found = read(after=after, before=before)
    except UnreadableCursor:
        notices.append(unreadable)
        return read()
    if found.past_end:
        notices.append(past)
    return found
