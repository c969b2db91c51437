"""How many connections a process holds at once: fewer than the file descriptors that it may have."""

from __future__ import annotations

import resource
from typing import Final

MOST: Final = 10_000  # connections, however many descriptors there are: each needs some memory
RESERVED: Final = 128  # descriptors for the database, files, what waits to be closed, and the server itself
LEAST: Final = 32  # connections, without which a process is of no use
SHARES: Final = 4  # of the connections, one at most for each kind of stream that stays open


def descriptors() -> int:
    """How many this process may have, counted up to those that it can use."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST + RESERVED if soft == resource.RLIM_INFINITY else min(soft, MOST + RESERVED)


def connections() -> int:
    """How many connections it holds at once."""
    return descriptors() - RESERVED


def share() -> int:
    """How many of them may be streams of one kind."""
    return max(1, connections() // SHARES)


def claim() -> None:
    """Take as many descriptors as the system grants this process; SystemExit where they are too few."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST + RESERVED if hard == resource.RLIM_INFINITY else min(hard, MOST + RESERVED)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    if connections() < LEAST:
        raise SystemExit(
            f"This process may open {descriptors()} files, and needs {RESERVED + LEAST} or more."
            " Raise the limit: `ulimit -n` in a shell, LimitNOFILE in a systemd unit."
        )
