"""What can happen to the cluster, and what each costs: the table of docs/deployment.md."""

from __future__ import annotations

import json
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import psycopg

from scripts.cluster.databases import Database
from scripts.cluster.setting_up import Cluster, say
from tests.system.front import KINDS
from tests.system.postgres import filled, until
from tests.system.site import went_offline

PATIENCE: Final = 120.0  # seconds
FULL: Final = 60.0  # seconds
# Every heartbeat that is kept; the site itself keeps the last of each device.
HEARD: Final = """
CREATE TABLE IF NOT EXISTS heard (device_id bigint, at timestamptz);
CREATE OR REPLACE FUNCTION hear() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
$$ BEGIN INSERT INTO heard VALUES (NEW.device_id, NEW.last_poll_at); RETURN NULL; END $$;
CREATE OR REPLACE TRIGGER hear AFTER INSERT OR UPDATE ON devices_heartbeat
FOR EACH ROW EXECUTE FUNCTION hear()
"""
KEPT: Final = """
SELECT uuid, EXTRACT(epoch FROM at)::float8 FROM heard JOIN devices_device ON devices_device.id = device_id
ORDER BY at
"""


@dataclass(frozen=True)
class Cost:
    """`silent`: the longest time without an answer of success, in seconds. The others are counts."""

    silent: float
    acknowledged: int
    lost: int
    offline: int
    failed: int

    @property
    def holds(self) -> bool:
        return self.lost == 0 and self.offline == 0


def switch_over(made: Cluster) -> None:
    """Patroni is asked to let another database lead."""
    made.databases.switch_over()


def kill(made: Cluster) -> None:
    """The PostgreSQL that leads is killed with -9."""
    leader = made.databases.leader()
    leader.kill()
    another_leads(made, leader)


def pull_cable(made: Cluster) -> None:
    """The cable of the database that leads is pulled, and put back when another one leads."""
    leader = made.databases.leader()
    made.pull(leader.name)
    another_leads(made, leader)
    made.site.everybody_polls_again()
    made.put_back(leader.name)


def lose_standby(made: Cluster) -> None:
    """The cable of a database that follows is pulled, and put back after each device was answered twice."""
    leader = made.databases.leader()
    standby = next(each for each in made.databases.all if each != leader)
    made.pull(standby.name)
    for _ in range(2):
        made.site.everybody_polls_again()
    made.put_back(standby.name)


def fill_disk(made: Cluster) -> None:
    """The disk of the database that leads is full for a minute. Its log has room, so it does not die."""
    leader = made.databases.leader()
    leader.server.ask("SELECT pg_switch_wal()")
    began = time.monotonic()
    with filled(Path(leader.server.data)):
        until(lambda: time.monotonic() - began > FULL, PATIENCE)


def fill_log(made: Cluster) -> None:
    """The disk of the database that leads is full, its log too: it dies. Freed when another one leads."""
    leader = made.databases.leader()
    with (
        psycopg.connect(leader.server.url(), autocommit=True) as connection,
        filled(Path(leader.server.data)),
    ):
        with suppress(psycopg.OperationalError):
            while True:
                connection.execute("SELECT pg_logical_emit_message(false, '', repeat(' ', 1000000))")
        another_leads(made, leader)
        made.site.everybody_polls_again()


def restart(made: Cluster) -> None:
    """The processes of one machine of Lookout are restarted, then those of the other."""
    front = made.front
    assert front is not None
    for each in made.apps.values():
        expected = front.ups() + len(KINDS)
        each.stop()
        each.start()
        until(lambda expected=expected: front.ups() >= expected)  # type: ignore[misc]


FAILURES: Final[dict[str, Callable[[Cluster], None]]] = {
    "switchover": switch_over,
    "kill": kill,
    "cable": pull_cable,
    "standby": lose_standby,
    "disk": fill_disk,
    "log": fill_log,
    "restart": restart,
}


def another_leads(made: Cluster, former: Database) -> None:
    until(lambda: made.databases.leaders() not in ([], [former]), PATIENCE)


def measure(made: Cluster, name: str) -> Cost:
    """Let this failure happen and everything heal; print what it cost."""
    until(made.databases.in_step, PATIENCE)
    made.databases.leader().server.ask(HEARD)
    made.site.everybody_polls_again()
    before, began = len(went_offline(made.databases.leader().server)), time.time()
    say(f"{name}: {FAILURES[name].__doc__}")
    FAILURES[name](made)
    until(made.databases.in_step, PATIENCE)
    made.site.everybody_polls_again()
    found = cost(made, began, before)
    say(
        f"{name}: {found.silent:.1f} s without a 200, {found.lost} of {found.acknowledged} acknowledged"
        f" heartbeats lost, {found.offline} devices falsely Offline, {found.failed} calls without success"
    )
    return found


def cost(made: Cluster, began: float, offline_before: int) -> Cost:
    """Of what happened since `began`, in seconds since 1970, as the database that leads now knows it."""
    told = [each for each in map(json.loads, lines(made, "told")) if each[1] >= began]
    server = made.databases.leader().server
    kept: dict[str, list[float]] = defaultdict(list)
    for uuid, at in server.ask(KEPT):
        kept[uuid].append(at)
    times = [began, *sorted(told_at for _, _, told_at in told)]
    return Cost(
        silent=max(later - earlier for earlier, later in pairwise(times)),
        acknowledged=len(told),
        lost=sum(not is_kept(kept[uuid], sent, told_at) for uuid, sent, told_at in told),
        offline=len(went_offline(server)) - offline_before,
        failed=sum(json.loads(line)[1] >= began for line in lines(made, "told.failed")),
    )


def lines(made: Cluster, name: str) -> list[str]:
    """Whole ones of this file of the devices, which go on writing."""
    return (made.site.state / name).read_text().rpartition("\n")[0].splitlines()


def is_kept(times: list[float], sent: float, told_at: float) -> bool:
    """Whether one of these times, in order, lies between the two."""
    place = bisect_left(times, sent)
    return place < len(times) and times[place] <= told_at
