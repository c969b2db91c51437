"""Serves an ASGI app, in one process or several: `python -m dashboard.listen APP [--processes N]`.

Several listen on one port, each on a socket of its own, and the kernel spreads connections over them
(SO_REUSEPORT). uvicorn's own ways do not: its workers accept from one queue, where the first awake takes
all, and a socket by --fd counts as a Unix one, so that answers wait 40 ms for Nagle.
"""

import argparse
import asyncio
import logging
import pkgutil
import signal
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import uvicorn

from dashboard.environment import ending
from dashboard.server.accepting import Accepting
from dashboard.server.draining import LAST, SECONDS, Draining
from dashboard.server.processes import Program, run_together
from dashboard.server.slow_clients import Protocol
from devices.ingest import capacity

logger = logging.getLogger(__name__)

HOST, PORT = "127.0.0.1", 8000
TICK = 1.0  # seconds between two looks at the clock, for the head `Date`
UNREAD = 30_000  # milliseconds in which a caller takes nothing of its answer, and is let go


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
    """A number of processes."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def serve(app: str, bound: socket.socket) -> None:
    """Until a signal; then what was accepted is answered, for as long as uvicorn is patient.

    SystemExit where the app does not start.
    """
    capacity.claim()
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
    """Accepts as many connections as it has room for; at its end drains, then ends streams."""

    def __init__(self, app: Any) -> None:
        self._draining = Draining(app)
        self._accepting = Accepting(capacity.connections())
        self._by_hand = False
        self._asked = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        super().__init__(configuration(self._draining))

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=[])
        if self.should_exit:  # the app says why
            return
        self._accepting.start(sockets or [], self._connection)
        for listener in sockets or []:
            host, port = listener.getsockname()[:2]
            logger.info("listening on http://%s:%d", f"[{host}]" if ":" in host else host, port)

    async def main_loop(self) -> None:
        """Until asked to end. uvicorn would look for that ten times a second, also where nobody calls."""
        self._loop = asyncio.get_running_loop()
        while not await self.on_tick(0):  # which sets the time that answers carry
            with suppress(TimeoutError):
                await asyncio.wait_for(self._asked.wait(), TICK)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._by_hand = sig == signal.SIGINT
        super().handle_exit(sig, frame)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._asked.set)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """What was accepted is answered. Where Ctrl-C ends us, no load balancer has to notice first."""
        self._draining.begun = True
        await asyncio.sleep(0 if self._by_hand else SECONDS)
        if module := sys.modules.get("dashboard.live.event_stream"):  # not where devices alone are answered
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
    """As everywhere. An app, not its name: loading it sets up logging, and what this sets must last."""
    return uvicorn.Config(
        app,
        ws="none",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=5,
    )


def bind(host: str, port: int, *, share: bool = False) -> socket.socket:
    """A socket that is yet to listen, at any free port for 0; SystemExit where the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    # Connections that ended a minute ago do not count as somebody who has the port.
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if share:  # with processes of the same user only
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if family == socket.AF_INET6:  # else addresses of IPv4 come in another spelling
        bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # goes to what it accepts, as the next does
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
    """Holds the port for processes that share it; SystemExit where anybody has it, sharing or not.

    Held by a socket that never listens. It was bound alone, so whoever has the port is met; and only who
    shares can join it, so a second launcher is refused, even before the first process listens.
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
    """Inside this block the port can be used by these many; SystemExit where it cannot."""
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
    """One for each process; several need the port `reserved`."""
    shares_port = processes > 1
    return [Program(name, command(app, host, port, share=shares_port), environment) for _ in range(processes)]


def command(app: str, host: str, port: int, *, share: bool) -> list[str]:
    alone = [sys.executable, "-m", "dashboard.listen", app, "--host", host, "--port", str(port)]
    return [*alone, "--share"] if share else alone


def wait_until_listening(program: Program, host: str, port: int) -> None:
    """Returns when somebody listens; SystemExit where the program ends first, as none like it will do."""
    while program.process is not None and program.process.poll() is None:
        with suppress(OSError), socket.create_connection((host, port), 1):
            return
        ending.wait(0.05)
    raise SystemExit(f"{program.name} did not start.")


if __name__ == "__main__":
    main()
