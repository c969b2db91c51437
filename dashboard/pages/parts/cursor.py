"""The place in a list that `?after=` or `?before=` names."""

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
    """The page that is asked for; the first one, with a notice, where its cursor cannot be read.

    `read` takes the cursors `after` and `before`. A notice says, too, where nothing lies behind the place.
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
