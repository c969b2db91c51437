"""The embedded PostgreSQL: one watcher owns and restarts the server, all others only connect.

`python -m dashboard.postgres COMMAND...` runs the command with the server up. The first to do so is
the watcher; the others stand by: when the watcher ends or is killed, one of them takes over the
running server. The last one stops it.
"""

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from dashboard.environment import ending

if __name__ == "__main__":  # before what takes its time to import
    ending.heed()

from dashboard.environment.embedded import GivenUp, Server

WATCH_INTERVAL = 1.0  # seconds between looks at the server
START_PATIENCE = 90.0  # seconds


def private(path: str, flags: int) -> int:
    """Opens a file for ourselves alone: whoever may read a lock may hold it, and stop us."""
    descriptor = os.open(path, flags, 0o600)
    os.fchmod(descriptor, 0o600)  # one of an earlier version
    return descriptor


@contextmanager
def running_server(state: Path) -> Iterator[None]:
    """The embedded server runs inside this block: watched by us, or by somebody who came first.

    Raises Stopped where somebody asks us to end before it runs.
    """
    home = state / "postgres"
    home.mkdir(parents=True, exist_ok=True)
    server = Server(state)
    with (
        open(home / "users.lock", "w", opener=private) as users,
        open(home / "watcher.lock", "w", opener=private) as watcher,
    ):
        fcntl.flock(users, fcntl.LOCK_SH)
        ready = threading.Event()
        thread = threading.Thread(target=watch, args=(server, watcher, ready), daemon=True)
        thread.start()
        try:
            wait_until(ready, server)
            yield
        finally:
            server.unneeded.set()
            thread.join()
            fcntl.flock(watcher, fcntl.LOCK_UN)
            fcntl.flock(users, fcntl.LOCK_UN)
            with suppress(BlockingIOError):  # somebody else uses the server, and watches it now
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                server.stop()


def wait_until(ready: threading.Event, server: Server) -> None:
    until = time.monotonic() + START_PATIENCE
    while not ready.wait(ending.TICK):
        ending.look()
        if time.monotonic() > until:
            raise RuntimeError(f"The embedded PostgreSQL did not start:\n{server.log_tail()}")


def watch(server: Server, lock: IO[str], ready: threading.Event) -> None:
    """Until the server is not needed: becomes the watcher once nobody else is, then keeps it running."""
    watching = False
    while not server.unneeded.is_set():
        with suppress(BlockingIOError):
            if not watching:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                watching = True
        try:
            if watching:
                server.ensure()
            if watching or server.running():
                ready.set()
        except GivenUp:
            return
        except Exception as error:  # noqa: BLE001 - the next round tries again, whatever it was
            sys.stderr.write(f"PostgreSQL: {error}\n")
            server.unneeded.wait(1)
        server.unneeded.wait(WATCH_INTERVAL)


def main(command: list[str]) -> int:
    """Runs the command while the server runs; a signal ends the command first, then the server."""
    if not command:
        raise SystemExit("usage: python -m dashboard.postgres COMMAND [ARGUMENT...]")
    if os.environ.get("DATABASE_URL"):
        os.execvp(command[0], command)  # noqa: S606 - the person's own
    state = os.environ.get("STATE_DIRECTORY") or Path(__file__).resolve().parent.parent / "var"
    with running_server(Path(state)):
        ending.look()
        child = subprocess.Popen(command)
        for number in (signal.SIGTERM, signal.SIGHUP):  # Ctrl-C reaches the command as well
            signal.signal(number, lambda received, _frame: child.send_signal(received))
        if ending.asked():  # while the command was started: by now nobody else tells it
            child.send_signal(ending.asked())
        return child.wait()


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except ending.Stopped:  # while the server starts; later the command decides
        sys.exit(128 + ending.asked())
