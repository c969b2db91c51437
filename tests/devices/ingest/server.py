"""A real server on the loopback, in a thread."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest

from dashboard import listen

TICK: Final = 0.005  # seconds between two looks whether it is asked to end


class Server(listen.Server):
    """Ends without the pauses that a real one makes for others, if all who called are gone already."""

    async def main_loop(self) -> None:
        while not self.should_exit:  # noqa: ASYNC110 - a plain attribute, set by another thread
            await asyncio.sleep(TICK)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await asyncio.sleep(0)  # what was closed is seen as closed
        if self.server_state.connections or self.server_state.tasks:
            await super().shutdown(sockets)
        else:
            self._accepting.stop()
            await self.lifespan.shutdown()


@contextmanager
def serving(app: Any, port: int = 0) -> Iterator[int]:
    """The port of a server that runs in a thread; what it accepted is answered when it ends."""
    with pytest.MonkeyPatch.context() as patch, listen.bind(listen.HOST, port) as listener:
        patch.setattr(listen, "SECONDS", 0)  # no load balancer has to notice the end
        patch.setattr(listen, "LAST", 0)
        port = listener.getsockname()[1]
        listener.listen()  # before it says that it is started
        server = Server(app)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(TICK)
        try:
            yield port
        finally:
            server.should_exit = True
            thread.join(30)
    assert not thread.is_alive()
