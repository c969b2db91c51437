"""Sessions: devices that were lost close to each other, each within five minutes of the next."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Final, Protocol, TypeVar

TOGETHER: Final = timedelta(minutes=5)
SPAN: Final = TOGETHER // timedelta(microseconds=1)


class Dated(Protocol):
    """A device that was lost at a moment, in microseconds since 1970."""

    @property
    def moment(self) -> int: ...


Lost = TypeVar("Lost", bound=Dated)


def sessions(members: list[Lost]) -> Iterator[list[Lost]]:
    """The sessions of these devices, which are in the order in which they were lost."""
    begins = 0
    for index, (before, after) in enumerate(pairwise(members), start=1):
        if after.moment - before.moment > SPAN:
            yield members[begins:index]
            begins = index
    yield members[begins:]


def densest(session: Sequence[Dated]) -> int:
    """The moment after which the most devices of a session were lost within five minutes."""
    moments = [item.moment for item in session]
    ahead = (bisect_right(moments, moment + SPAN) - bisect_left(moments, moment) for moment in moments)
    return min(zip(ahead, moments, strict=True), key=lambda item: (-item[0], item[1]))[1]
