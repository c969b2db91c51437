"""Processes of a site that start in an instant: children of one process that has imported all of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import IO, Final

ROOT: Final = Path(__file__).resolve().parents[2]


class Forks:
    """Starts parts of a site, from any thread."""

    def __init__(self, commands: IO[str], answers: IO[str]) -> None:
        self._commands, self._answers, self._lock = commands, answers, Lock()

    def start(self, part: str) -> int:
        """Start a part of tests/system/forked.py; returns its process id."""
        with self._lock:
            self._commands.write(f"{part}\n")
            self._commands.flush()
            return int(self._answers.readline())


@contextmanager
def forks(environment: Mapping[str, str], port: int, log: Path) -> Iterator[Forks]:
    """Processes whose site listens at `port`, until the block ends. What they say is appended to `log`."""
    command = [sys.executable, "-m", "tests.system.forked", str(port)]
    with (
        log.open("ab") as said,
        subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
            process_group=0,
        ) as process,
    ):
        assert process.stdin
        assert process.stdout
        try:
            yield Forks(process.stdin, process.stdout)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
