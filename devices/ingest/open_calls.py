"""Limiting how many calls are open at the same time: of one key, and in all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devices.ingest.http import Refused, busy
from devices.ingest.rate_limits import too_many

if TYPE_CHECKING:
    from collections.abc import Hashable


class OpenCalls:
    """The open calls of one event loop, counted by key."""

    def __init__(self) -> None:
        self._open: dict[Hashable, int] = {}

    def counted(
        self, key: Hashable, limit: int, total_limit: int | None = None, *, refusal: Refused | None = None
    ) -> _Counted:
        """Counts a call of `key` while the block runs.

        Raises Refused: `refusal` (None: 429) where the key has `limit` open calls, 503 where all keys have
        `total_limit`.
        """
        self._check(key, limit, total_limit, refusal)
        return _Counted(self, key)

    def begin(self, key: Hashable, limit: int) -> None:
        """Count a call of `key` until `end`. Raises Refused (429) where the key has `limit` open calls."""
        open_now = self._open.get(key, 0)
        if open_now >= limit:
            raise too_many_open()
        self._open[key] = open_now + 1

    def add(self, key: Hashable) -> None:
        """Count a call of `key` until `end`, whatever else is open."""
        self._open[key] = self._open.get(key, 0) + 1

    def end(self, key: Hashable) -> None:
        """A call of `key` has ended."""
        left = self._open[key] - 1
        if left:
            self._open[key] = left
        else:
            del self._open[key]

    def _check(
        self, key: Hashable, limit: int, total_limit: int | None = None, refusal: Refused | None = None
    ) -> None:
        if self._open.get(key, 0) >= limit:
            raise refusal or too_many_open()
        if total_limit is not None and sum(self._open.values()) >= total_limit:
            raise busy()


def too_many_open() -> Refused:
    return too_many("This key has too many calls open at once.")


class _Counted:
    """A block that counts: a class, since each call of a device enters one."""

    __slots__ = ("_key", "_open")

    def __init__(self, open_calls: OpenCalls, key: Hashable) -> None:
        self._open, self._key = open_calls, key

    def __enter__(self) -> None:
        self._open.add(self._key)

    def __exit__(self, *_: object) -> None:
        self._open.end(self._key)
