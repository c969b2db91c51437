"""The embedded PostgreSQL: `python -m dashboard.postgres COMMAND...` runs a command while the server runs.

The first process that does so is the watcher, which starts the server and restarts it when it dies. If the
watcher ends or is killed, another process takes over; the last process stops the server.
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

if __name__ == "__main__":  # before imports that take time
    ending.heed()

from dashboard.environment.embedded import GivenUp, Server

WATCH_INTERVAL = 2.0  # seconds between looks at the server
START_TIMEOUT = 90.0  # seconds


def private(path: str, flags: int) -> int:
    """Open a lock file that only our user may open, as anyone who can read it could hold the lock."""
    descriptor = os.open(path, flags, 0o600)
    os.fchmod(descriptor, 0o600)  # the file may be from an earlier version
    return descriptor


@contextmanager
def running_server(state: Path) -> Iterator[None]:
    """Run the embedded server, with its data in `state`, during this block.

    This process or another one watches it. Raises ending.Stopped if a signal comes before the server runs,
    RuntimeError if it does not start.
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
            with suppress(BlockingIOError):  # another process uses the server, and watches it from now on
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                server.stop()


def wait_until(ready: threading.Event, server: Server) -> None:
    until = time.monotonic() + START_TIMEOUT
    while not ready.wait(ending.TICK):
        ending.check()
        if time.monotonic() > until:
            raise RuntimeError(f"The embedded PostgreSQL did not start:\n{server.log_tail()}")


def watch(server: Server, lock: IO[str], ready: threading.Event) -> None:
    """Keep the server running while it is needed, from when no other process has the watcher's lock.

    Sets `ready` once the server runs.
    """
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
    """Run the command while the server runs, and return its exit status.

    A signal ends the command first, then the server.
    """
    if not command:
        raise SystemExit("usage: python -m dashboard.postgres COMMAND [ARGUMENT...]")
    if os.environ.get("DATABASE_URL"):
        os.execvp(command[0], command)  # noqa: S606 - it is the user's own command
    state = os.environ.get("STATE_DIRECTORY") or Path(__file__).resolve().parent.parent / "var"
    with running_server(Path(state)):
        ending.check()
        child = subprocess.Popen(command)
        for number in (signal.SIGTERM, signal.SIGHUP):  # Ctrl-C reaches the command as well
            signal.signal(number, lambda received, _frame: child.send_signal(received))
        if ending.asked():  # the signal came while the command was being started
            child.send_signal(ending.asked())
        return child.wait()


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except ending.Stopped:  # a signal came while the server was starting
        sys.exit(128 + ending.asked())
