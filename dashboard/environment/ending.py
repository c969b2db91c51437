"""Somebody asks us to end, by Ctrl-C or a signal: that is noted, and whoever waits looks.

Nothing is broken off wherever it happens to be, so nothing that was started is forgotten, and no request to
end is lost in code that catches what it does not expect.
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
TICK: Final = 0.1  # seconds between two looks
PATIENCE: Final = 5.0  # seconds that a program has to end when asked

_asked: list[int] = []
_told, _tell = os.pipe()  # a byte for each signal: whoever waits sleeps until one comes
os.set_blocking(_tell, False)


class Stopped(BaseException):
    """Somebody asked us to end."""


def heed() -> None:
    """From now on a signal that asks us to end is noted, and does nothing else."""
    signal.set_wakeup_fd(_tell, warn_on_full_buffer=False)
    for number in ENDING:
        signal.signal(number, lambda received, frame: _asked.append(received))


def asked() -> int:
    """The signal that asked us first; 0 while none did."""
    return _asked[0] if _asked else 0


def look() -> None:
    """Raises Stopped once somebody asked us to end."""
    if _asked:
        raise Stopped


def wait(seconds: float) -> None:
    """Sleeps; raises Stopped as soon as somebody asks us to end."""
    until = time.monotonic() + seconds
    look()
    while (left := until - time.monotonic()) > 0:
        if select.select([_told], [], [], left)[0]:
            os.read(_told, 64)
        look()


def run(
    command: Sequence[str], environment: Mapping[str, str], *, read: bool = False
) -> subprocess.CompletedProcess[str]:
    """Runs a program to its end, and returns what it printed if we `read` that, which is not much.

    Raises Stopped as soon as somebody asks us to end, once the program has ended too. It has a session of its
    own: Ctrl-C reaches us alone.
    """
    where = subprocess.PIPE if read else subprocess.DEVNULL
    with subprocess.Popen(
        command, env=environment, stdout=where, text=True, start_new_session=True
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
    """Ends it if it still runs."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
