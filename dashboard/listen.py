"""Serves an ASGI app, in one process or several: `python -m dashboard.listen APP [--processes N]`.

Several processes listen on one port, each with a socket of its own, and the kernel distributes connections
(SO_REUSEPORT). uvicorn cannot do that: its workers accept from one queue, of which the first to wake takes
all, and a socket passed by --fd has no TCP_NODELAY, so that responses wait 40 ms.
"""

import argparse
import asyncio
import logging
import os
import pkgutil
import signal
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import uvicorn
from django.conf import settings

from dashboard.environment import ending
from dashboard.server.accepting import Accepting
from dashboard.server.dating import Dated
from dashboard.server.draining import LAST, SECONDS, Draining
from dashboard.server.polls import Protocol
from dashboard.server.processes import Program, run_together
from devices.ingest import capacity
from devices.ingest.offered import AT_ONCE
from devices.metrics import files

logger = logging.getLogger(__name__)

HOST, PORT = "127.0.0.1", 8000
UNREAD = 30_000  # milliseconds after which a connection is closed if the client reads nothing of the response


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("app", help="as module:name, such as devices.ingest.asgi:app")
    parser.add_argument("--host", default=HOST)
    parser.add_argument("--port", type=int, default=PORT)
    number = parser.add_mutually_exclusive_group()
    number.add_argument("--processes", type=count, default=1, help="one that dies is started again")
    number.add_argument("--share", action="store_true", help="the port, with others that say so too")
    options = parser.parse_args()
    app, host, port = options.app, options.host, options.port
    if options.processes == 1:
        serve(app, bind(host, port, share=options.share))
        return
    with reserved(host, port):
        group = programs(app, app, host, port, options.processes)
        run_together(group, lambda program: wait_until_listening(group[0], host, port))


def count(text: str) -> int:
    """A number of processes, from an argument; raises ArgumentTypeError if it is less than 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def serve(app: str, bound: socket.socket) -> None:
    """Serve the app on this socket until a signal; then requests in progress are answered, for a few seconds.

    Raises SystemExit if the app does not start.
    """
    capacity.claim()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
    files.begin(settings.STATE_DIRECTORY / "metrics")
    server = Server(pkgutil.resolve_name(app))
    logger.info(
        "up to %d connections at once, of %d files that this process may open",
        *(capacity.connections(), capacity.descriptors()),
    )
    with suppress(KeyboardInterrupt):
        server.run(sockets=[bound])
    if not server.started:
        raise SystemExit(f"{app} did not start.")


class Server(uvicorn.Server):
    """uvicorn's server with a limit of connections; at its end it drains and closes event streams."""

    def __init__(self, app: Any) -> None:
        self._draining = Draining(app)
        self._accepting = Accepting(capacity.connections())
        self._by_hand = False
        self._asked = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        super().__init__(configuration(Dated(self._draining)))

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=[])
        if self.should_exit:  # the app has logged why
            return
        self._accepting.start(sockets or [], self._connection)
        for listener in sockets or []:
            host, port = listener.getsockname()[:2]
            logger.info("listening on http://%s:%d", f"[{host}]" if ":" in host else host, port)

    async def main_loop(self) -> None:
        """Until asked to end. uvicorn would look for that ten times a second, also where nobody calls."""
        self._loop = asyncio.get_running_loop()
        if not self.should_exit:
            await self._asked.wait()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._by_hand = sig == signal.SIGINT
        super().handle_exit(sig, frame)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._asked.set)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain, then answer what was accepted; Ctrl-C skips the wait for load balancers to notice."""
        self._draining.begun = True
        self.lifespan.state.pop(AT_ONCE, None)
        await asyncio.sleep(0 if self._by_hand else SECONDS)
        if module := sys.modules.get("dashboard.live.event_stream"):  # not in processes of the ingest alone
            module.EVENT_STREAM.end()
        self._accepting.stop()
        await asyncio.sleep(0 if self._by_hand else LAST)
        await super().shutdown(sockets)

    def _connection(self) -> Protocol:
        return Protocol(
            accepting=self._accepting,
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )


def configuration(app: Any) -> uvicorn.Config:
    """The configuration of every server of the site.

    It takes the loaded app and not its name: loading it sets up logging, which uvicorn would overwrite.
    """
    return uvicorn.Config(
        app,
        ws="none",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,  # dashboard.server.dating adds it
        proxy_headers=False,
        timeout_graceful_shutdown=5,
    )


def bind(host: str, port: int, *, share: bool = False) -> socket.socket:
    """A socket bound to host and port (0: any free port), not listening yet; `share`: with other processes.

    Raises SystemExit if the port cannot be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    # Connections that ended within the last minutes do not count as users of the port.
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if share:  # with processes of the same user only
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if family == socket.AF_INET6:  # otherwise IPv4 addresses would arrive in the notation of IPv6
        bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    # Accepted connections inherit this option and the next.
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise SystemExit(
            f"Port {port} of {host} cannot be used: {error.strerror}. Is Lookout running already?"
            f" Choose another port: --port {port + 1}, or make's PORT={port + 1}"
        ) from error
    return bound


@contextmanager
def reserved(host: str, port: int) -> Iterator[int]:
    """Reserve the port during this block for processes that share it; gives its number.

    A socket that never listens reserves it. It is bound without sharing, so that any other user of the port
    is noticed, and then allows sharing, so that a second launcher is refused at once. Raises SystemExit if
    the port cannot be used, or this system cannot share ports.
    """
    if sys.platform != "linux":
        raise SystemExit(
            "Only Linux spreads connections over several processes. Run one, or several at ports of"
            " their own behind a load balancer."
        )
    with bind(host, port) as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        yield holder.getsockname()[1]


@contextmanager
def available(host: str, port: int, processes: int) -> Iterator[None]:
    """Check that so many processes can use the port, and reserve it for them during this block.

    Raises SystemExit if it cannot be used.
    """
    if processes == 1:
        bind(host, port).close()
        yield
    else:
        with reserved(host, port):
            yield


def programs(
    name: str,
    app: str,
    host: str,
    port: int,
    processes: int,
    environment: Mapping[str, str] | None = None,
) -> list[Program]:
    """A program for each process that serves `app`; for several the port must be `reserved`."""
    shares_port = processes > 1
    return [Program(name, command(app, host, port, share=shares_port), environment) for _ in range(processes)]


def command(app: str, host: str, port: int, *, share: bool) -> list[str]:
    alone = [sys.executable, "-m", "dashboard.listen", app, "--host", host, "--port", str(port)]
    return [*alone, "--share"] if share else alone


def wait_until_listening(program: Program, host: str, port: int) -> None:
    """Wait until the port accepts connections; raises SystemExit if the program ends before."""
    while program.process is not None and program.process.poll() is None:
        with suppress(OSError), socket.create_connection((host, port), 1):
            return
        ending.wait(0.05)
    raise SystemExit(f"{program.name} did not start.")


if __name__ == "__main__":
    main()
