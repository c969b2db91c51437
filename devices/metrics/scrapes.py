"""What /metrics answers: the metrics of the site and of the processes, as text that a monitoring reads."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any, Final

from django.conf import settings
from django.http import QueryDict
from prometheus_client import exposition

from devices.metrics import counters, device_series, files, site

KEPT: Final = 5.0  # seconds
InAThread = Callable[[Callable[[], bytes]], Awaitable[bytes]]  # runs work that needs the database


class Scrapes:
    """The newest answers of one process. One is made at a time: who waits for it holds no connection."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], tuple[float, bytes]] = {}  # by query and content type
        self._one_at_a_time = asyncio.Lock()

    async def answer(self, query: str, accept: str, in_a_thread: InAThread) -> tuple[bytes, str]:
        """The text and its content type, for a query string and an Accept header.

        Raises device_series.Refused, and what `in_a_thread` raises where the database does not answer.
        """
        encode, content_type = exposition.choose_encoder(accept)
        key = (query, content_type)
        async with self._one_at_a_time:
            now = time.monotonic()
            self._kept = {known: kept for known, kept in self._kept.items() if now < kept[0] + KEPT}
            if key not in self._kept:
                self._kept[key] = now, await in_a_thread(partial(made, query, encode))
            return self._kept[key][1], content_type


class _Collected(list[Any]):
    """Metrics that were read, as the encoders of prometheus-client take them."""

    def collect(self) -> Iterable[Any]:
        return self


def made(query: str, encode: Callable[[Any], bytes]) -> bytes:
    """The text that `encode` of prometheus-client makes of what a query asks for, read now.

    Raises device_series.Refused, and a database's errors.
    """
    named = QueryDict(query)
    if device_series.asked(named):
        return encode(_Collected(device_series.read(named)))
    return encode(
        _Collected([*site.read(settings.VERSION), *(files.collect() or counters.REGISTRY.collect())])
    )
