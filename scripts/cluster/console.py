"""What a person does to the cluster in the terminal, and who leads meanwhile."""

from __future__ import annotations

import select
import subprocess
import sys
from collections.abc import Callable
from typing import Final

import psycopg

from scripts.cluster import failures
from scripts.cluster.setting_up import Cluster, say

HELP: Final = """
pull NAME      pull the cable of a machine: db-1, db-2, db-3, app-1, app-2 or front
back NAME      put it back
kill NAME      kill -9 the PostgreSQL of db-1, db-2 or db-3
do FAILURE     let a failure happen and measure it: switchover, kill, cable, standby, disk, log or restart
end            end everything, as Ctrl-C does
Whoever leads and follows is told here whenever it changes.
""".strip()


def converse(made: Cluster) -> None:
    """Do what is typed until `end` or the end of the input; tell of changes meanwhile."""
    print(HELP, flush=True)
    last = ""
    while True:
        now = ", ".join(map(str, made.databases.members())) or "no database answers"
        if now != last:
            say(now)
            last = now
        if select.select([sys.stdin], [], [], 1)[0]:
            line = sys.stdin.readline()
            if not line or line.strip() == "end":
                return
            obey(made, line.split())


def obey(made: Cluster, words: list[str]) -> None:
    orders: dict[str, Callable[[str], object]] = {
        "pull": made.pull,
        "back": made.put_back,
        "kill": lambda name: {one.name: one for one in made.databases.all}[name].kill(),
        "do": lambda name: failures.measure(made, name),
    }
    try:
        order, name = words
        orders[order](name)
    except (ValueError, KeyError):
        print(HELP, flush=True)
    except (AssertionError, OSError, subprocess.SubprocessError, psycopg.Error) as error:
        say(f"That did not work: {error!r}")
