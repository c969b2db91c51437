"""Ending a program by Ctrl-C or a signal: the signal is stored, and code that waits checks for it.

So nothing is interrupted at an arbitrary place, every started program is ended, and no signal is lost in code
that catches all exceptions.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from typing import Final

ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
TICK: Final = 0.1  # seconds between two checks
PATIENCE: Final = 5.0  # seconds that a program has to end after SIGTERM

_asked: list[int] = []
_wake_read, _wake_write = os.pipe()  # a byte for each signal: `wait` sleeps until one comes
os.set_blocking(_wake_write, False)


class Stopped(BaseException):
    """A signal has asked this program to end."""


def heed() -> None:
    """Handle the signals in ENDING: from now on they are stored and do nothing else."""
    signal.set_wakeup_fd(_wake_write, warn_on_full_buffer=False)
    for number in ENDING:
        signal.signal(number, lambda received, frame: _asked.append(received))


def asked() -> int:
    """The number of the first signal that asked this program to end; 0 if none has."""
    return _asked[0] if _asked else 0


def check() -> None:
    """Raise Stopped if a signal has asked this program to end."""
    if _asked:
        raise Stopped


def wait(seconds: float) -> None:
    """Sleep for so many seconds; raises Stopped as soon as a signal asks this program to end."""
    until = time.monotonic() + seconds
    check()
    while (left := until - time.monotonic()) > 0:
        if select.select([_wake_read], [], [], left)[0]:
            os.read(_wake_read, 64)
        check()


def run(
    command: Sequence[str], environment: Mapping[str, str], *, read: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; `read` returns its output, which must be short.

    If a signal asks this program to end, it ends the other one and raises Stopped. The other one has a
    session of its own, so that Ctrl-C reaches this program alone.
    """
    stdout = subprocess.PIPE if read else subprocess.DEVNULL
    with subprocess.Popen(
        command, env=environment, stdout=stdout, text=True, start_new_session=True
    ) as process:
        try:
            while process.poll() is None:
                wait(TICK)
        finally:
            end(process)
        return subprocess.CompletedProcess(
            command, process.returncode, process.stdout.read() if process.stdout else ""
        )


def end(process: subprocess.Popen[str]) -> None:
    """End a process if it still runs: by SIGTERM, and by SIGKILL after PATIENCE."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
