"""A real server on the loopback."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from dashboard import listen


@contextmanager
def serving(app: Any) -> Iterator[int]:
    """The port of a server that runs in a thread, and stops as a real one does."""
    with pytest.MonkeyPatch.context() as patch, listen.bind(listen.HOST, 0) as listener:
        patch.setattr(listen, "SECONDS", 0)  # no load balancer has to notice the end
        listener.listen()  # before it says that it is started
        server = listen.Server(app)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(10)
    assert not thread.is_alive()
