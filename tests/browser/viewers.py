"""People who keep a page open, without a browser: each asks as the page's script does (static/app.js).

They read the event stream, refresh after each event, one request at a time, and now and then anyway.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

import aiohttp
from django.conf import settings

from tests.worker import wait_until

APART: Final = 0.3  # seconds between two refreshes at least
EVERY, RAREST = 5.0, 40.0  # seconds between two refreshes where no event came: twice as many after each 304
DOOR: Final = 8
HTMX: Final = {"HX-Request": "true"}
SHOWN: Final = re.compile(r'\{"HX-Shown": "([^"]*)"\}')
PATIENCE: Final = 60


class Viewer:
    """One page, opened by the holder of a session."""

    def __init__(self, url: str, path: str, session: str) -> None:
        self._url, self.path, self._session = url, path, session
        self._changed = asyncio.Event()
        self.opened = threading.Event()
        self.answers: list[int] = []  # statuses of its refreshes
        self.text = ""  # what it shows

    async def look(self, door: asyncio.Semaphore) -> None:
        """Until it is cancelled. Few go through the door at a time, as people come."""
        cookies = {settings.SESSION_COOKIE_NAME: self._session}
        async with aiohttp.ClientSession(self._url, cookies=cookies) as http:
            async with door, http.get(self.path) as answer:
                assert answer.status == 200
                self.text, tag = await answer.text(), answer.headers["HX-PTag"]
            found = SHOWN.search(self.text)
            shown = {"HX-Shown": found.group(1)} if found else {}
            self.opened.set()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._listen(http))
                tasks.create_task(self._refresh(http, tag, shown))

    async def _listen(self, http: aiohttp.ClientSession) -> None:
        timeout = aiohttp.ClientTimeout(total=None)
        async with http.get("/bell/", timeout=timeout) as stream:
            assert stream.status == 200
            async for line in stream.content:
                if line == b"event: changed\n":
                    self._changed.set()

    async def _refresh(self, http: aiohttp.ClientSession, tag: str, shown: dict[str, str]) -> None:
        unchanged = 0
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), min(RAREST, EVERY * 2**unchanged))
            self._changed.clear()
            headers = HTMX | shown | {"HX-PTag": tag}
            async with http.get(self.path, headers=headers) as answer:
                text, tag = await answer.text(), answer.headers.get("HX-PTag", tag)
                self.text = text or self.text
                self.answers.append(answer.status)
                unchanged = unchanged + 1 if answer.status == 304 else 0
            await asyncio.sleep(APART)


async def _ended() -> None:
    """Wait until all other tasks of this loop have ended: what they have open is closed by then.

    Each is cancelled until it ends: a wait that is over at that moment may take no notice.
    """
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        for task in others:
            task.cancel()
        await asyncio.wait(others, timeout=1)


@contextmanager
def looking(url: str, pages: Sequence[tuple[str, str]]) -> Iterator[list[Viewer]]:
    """A viewer for each of these paths and sessions, inside this block; all have opened their page."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    viewers = [Viewer(url, path, session) for path, session in pages]

    async def together() -> None:
        door = asyncio.Semaphore(DOOR)
        async with asyncio.TaskGroup() as tasks:
            for viewer in viewers:
                tasks.create_task(viewer.look(door))

    group = asyncio.run_coroutine_threadsafe(together(), loop)
    try:
        wait_until(lambda: group.done() or all(viewer.opened.is_set() for viewer in viewers))
        assert not group.done(), group.exception()
        yield viewers
        assert not group.done(), group.exception()
    finally:
        group.cancel()
        asyncio.run_coroutine_threadsafe(_ended(), loop).result(PATIENCE)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE)
        loop.close()
