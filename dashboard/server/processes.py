"""Running a group of programs: they end together, and a program that ends before is restarted."""

import math
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from dashboard.environment import ending

CHECK_INTERVAL = 0.5  # seconds between two checks of the programs
LONGEST_DELAY = 30.0  # seconds before a program that keeps ending is restarted; it doubles from 1
STEADY = 60.0  # seconds after which the delay of a running program is reset
PATIENCE = 10.0  # seconds that a program has to end after its signal


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


@dataclass
class Program:
    """A program of the group and its process; several programs may have one name."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] | None = None
    restart: bool = True
    ended_by: signal.Signals = signal.SIGTERM
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    started_at: float = field(default=0.0, init=False)  # seconds of the monotonic clock
    again_at: float | None = field(default=None, init=False)  # set once the program has ended
    delay: float = field(default=0.5, init=False)

    def start(self) -> None:
        # In a session of its own, so that Ctrl-C reaches this process alone, which ends programs in order.
        self.process = subprocess.Popen(
            self.command, env=self.environment, stdin=subprocess.DEVNULL, start_new_session=True
        )
        self.started_at, self.again_at = time.monotonic(), None

    def check(self, now: float) -> None:
        """Report if the program has ended, and restart it after a delay; `now` is monotonic seconds."""
        if self.process is None or self.process.poll() is None:
            return
        if self.again_at is None:
            self.delay = 1.0 if now - self.started_at >= STEADY else min(2 * self.delay, LONGEST_DELAY)
            self.again_at = now + self.delay if self.restart else math.inf
            consequence = (
                (f"starting it again in {self.delay:.0f} s") if self.restart else "it is not started again"
            )
            say(f"{self.name} ended with code {self.process.returncode}; {consequence}.")
        elif now >= self.again_at:
            self.start()

    def ask_to_end(self) -> None:
        if self.process is not None:
            self.process.send_signal(self.ended_by)

    def wait_for_end(self, until: float) -> None:
        """Wait for the program to end, and kill it at `until`, in monotonic seconds."""
        if self.process is None:
            return
        try:
            self.process.wait(max(until - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            say(f"{self.name} does not end; killing it.")
            self.process.kill()
            self.process.wait()


def end(programs: Sequence[Program]) -> None:
    """End all programs at once, signalling the last started first."""
    for program in reversed(programs):
        program.ask_to_end()
    until = time.monotonic() + PATIENCE
    for program in reversed(programs):
        program.wait_for_end(until)


def watch(programs: Sequence[Program]) -> NoReturn:
    while True:
        ending.wait(CHECK_INTERVAL)
        for program in programs:
            program.check(time.monotonic())


def run_together(programs: Sequence[Program], started: Callable[[Program], None]) -> None:
    """Run the programs until a signal asks this process to end, then end them.

    `started` is called after each start, and may wait until the program is ready (with `ending.wait`).
    """
    ending.heed()
    try:
        for program in programs:
            ending.check()
            program.start()
            started(program)
        watch(programs)
    except ending.Stopped:
        say("Stopping.")
    finally:
        end(programs)
