"""What each process of a site takes from the machine; Linux only."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

SERVING: Final = {"dashboard.postgres": "watcher of PostgreSQL", "dashboard.serve": "watcher of the site"}


@dataclass(frozen=True)
class Line:
    """A process: its share of memory (PSS) in megabytes, and its processor time in percent of one core."""

    name: str
    memory: float
    cpu: float


def watch(roots: Iterable[psutil.Process], seconds: float) -> list[Line]:
    """A line for each process of these trees that lived at the end of that time."""
    roots = list(roots)
    began, before = time.monotonic(), {process.pid: used(process) for process in tree(roots)}
    time.sleep(seconds)
    lines = []
    for process in tree(roots):
        with suppress(psutil.NoSuchProcess, FileNotFoundError):
            taken = used(process) - before.get(process.pid, 0.0)
            share = 100 * taken / (time.monotonic() - began)
            lines.append(Line(name_of(process.cmdline()), memory(process.pid), share))
    return lines


def tree(roots: list[psutil.Process]) -> list[psutil.Process]:
    return [process for root in roots for process in (root, *root.children(recursive=True))]


def used(process: psutil.Process) -> float:
    """Seconds of processor time so far, with those of its children that have ended.

    Its own are read in nanoseconds: counted in ticks they are off by a fifth in a minute of brief wake-ups.
    """
    threads = Path(f"/proc/{process.pid}/task").glob("*/schedstat")
    own = sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9
    return own + sum(process.cpu_times()[2:4])


def memory(pid: int) -> float:
    """Megabytes: what is its own, and its part of what it shares with others."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("Pss:")).split()[1]) / 1000


def name_of(command: list[str]) -> str:
    """What people call this process, by how it was started."""
    if len(command) == 1:  # PostgreSQL's own title
        return command[0].strip()
    for argument, following in zip(command, [*command[1:], ""], strict=True):
        if argument.endswith("manage.py"):
            return f"manage.py {following}"
        if argument == "-m":
            return SERVING.get(following, following)
    return Path(command[0]).name
