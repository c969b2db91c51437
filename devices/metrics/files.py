"""The counts of all server processes that share a STATE_DIRECTORY, in files that survive each of them.

Several processes answer at one port, so the one that is asked tells the counts of all. Each process writes
memory-mapped files of its own (prometheus-client's multiprocess mode), named by a random number, and locks
its `.alive` file as long as it lives. Counts of a process that has ended are added to the files of FORMER:
what was counted stays counted, and its gauges are gone. Containers may share the directory: a process id
would not tell there who lives.
"""

from __future__ import annotations

import fcntl
import logging
import os
import secrets
import struct
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any, Final

from prometheus_client import values
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector

logger = logging.getLogger(__name__)

FORMER: Final = "former"
ADDED: Final = ("counter", "histogram")  # kinds of files whose numbers are kept
UNREADABLE: Final = (OSError, RuntimeError, ValueError, struct.error)


class _Ours:
    """Where this process counts; None: in its memory."""

    directory: Path | None = None
    alive: IO[str] | None = None


def begin(directory: Path) -> None:
    """Count in files of this directory from now on; metrics must not have been imported before.

    A process that cannot write there counts in its memory, and the log says so.
    """
    name = secrets.token_hex(8)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        _tidy(directory)
        with _alone(directory):
            _Ours.alive = (directory / f"{name}.alive").open("w")
            fcntl.flock(_Ours.alive, fcntl.LOCK_EX)
    except OSError as error:
        logger.warning("this process keeps its counts for /metrics to itself: %s", error)
        return
    _Ours.directory = directory
    # As prometheus-client decides when it is imported, if its environment variables are set then.
    values.ValueClass = values.MultiProcessValue(lambda: name)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(directory)


def collect() -> Iterator[Any] | None:
    """The metrics of all processes that count in the directory; None if this one counts in its memory."""
    if _Ours.directory is None:
        return None
    _tidy(_Ours.directory)
    with _alone(_Ours.directory):
        return iter(list(MultiProcessCollector(None, str(_Ours.directory)).collect()))


def _tidy(directory: Path) -> None:
    """Add the counts of processes that have ended to those of FORMER, and delete their files."""
    with _alone(directory):
        for path in directory.glob(f"*_{FORMER}.db"):
            if _is_cut(path):
                path.unlink()
        for alive in directory.glob("*.alive"):
            if _ended(alive):
                for path in directory.glob(f"*_{alive.stem}.db"):
                    _add(path)
                    path.unlink()
                alive.unlink()


def _ended(alive: Path) -> bool:
    with alive.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def _is_cut(path: Path) -> bool:
    """Whether a crash of the machine left less of this file than was written."""
    try:
        return not [*MmapedDict.read_all_values_from_file(str(path))]
    except UNREADABLE:
        return True


def _add(path: Path) -> None:
    """Add the counts of a file to the one of FORMER. A file that a crash of the machine cut is dropped."""
    kind = path.name.partition("_")[0]
    if kind not in ADDED or _is_cut(path):
        return
    with closing(MmapedDict(str(path.with_name(f"{kind}_{FORMER}.db")))) as former:
        for key, number, _, _ in MmapedDict.read_all_values_from_file(str(path)):
            former.write_value(key, former.read_value(key)[0] + number, 0.0)


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """No other process reads or tidies the directory during this block."""
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
