"""The capacity of a process: how many connections it holds at once, by its limit of file descriptors."""

from __future__ import annotations

import resource
from typing import Final

MOST: Final = 10_000  # connections, however many descriptors there are, since each needs memory
RESERVED: Final = 128  # descriptors for the database, files, sockets that are closing, and the server itself
LEAST: Final = 32  # connections, below which a process does not start
SHARES: Final = 4  # a kind of long-lived stream may have one of so many shares of the connections


def descriptors() -> int:
    """The soft limit of file descriptors of this process, up to the number that it can use."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST + RESERVED if soft == resource.RLIM_INFINITY else min(soft, MOST + RESERVED)


def connections() -> int:
    """How many connections this process holds at once, at most."""
    return descriptors() - RESERVED


def share() -> int:
    """How many connections may be streams of one kind, such as log streams."""
    return max(1, connections() // SHARES)


def claim() -> None:
    """Raise the soft limit of file descriptors as far as the system allows.

    Raises SystemExit where fewer than LEAST connections are possible.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST + RESERVED if hard == resource.RLIM_INFINITY else min(hard, MOST + RESERVED)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    if connections() < LEAST:
        raise SystemExit(
            f"This process may open {descriptors()} files, and needs {RESERVED + LEAST} or more."
            " Raise the limit: `ulimit -n` in a shell, LimitNOFILE in a systemd unit."
        )
