"""The commands of docs/backup.md that restore a cluster to a point in time, run with the real pgBackRest."""

from __future__ import annotations

import os
import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Final

import psycopg

from tests.programs import required
from tests.system.clusters import BINARIES, PATIENCE, ROOT, USER, a_cluster

DOCUMENT: Final = (ROOT / "docs/backup.md").read_text().partition("\n## To a point in time\n")[2]
COMMANDS: Final = re.findall(r"^    (pgbackrest .*)$", DOCUMENT, re.MULTILINE)
CONFIGURATION: Final = dedent(DOCUMENT[DOCUMENT.index("    [global]") :].partition("\n\nThe repository")[0])
(ARCHIVE,) = re.findall(r"^    archive_command = '(.*)'$", DOCUMENT, re.MULTILINE)


@dataclass(frozen=True)
class Machine:
    """The machine of a cluster at this place, with the document's configuration but for places."""

    home: Path

    def configure(self) -> None:
        places = {
            "/var/lib/pgbackrest": f"{self.home}/kept",
            "/var/lib/postgresql/15/main": f"{self.home}/data",
        }
        text = CONFIGURATION
        for usual, ours in places.items():
            text = text.replace(usual, ours)
        text = text.replace("[global]", f"[global]\nlog-path={self.home}\nlock-path={self.home}")
        self.configuration.write_text(f"{text}\npg1-socket-path={self.home}\n")

    @property
    def configuration(self) -> Path:
        return self.home / "pgbackrest.conf"

    def configured(self, command: str) -> str:
        """A command line of the document with our configuration."""
        return command.replace("pgbackrest ", f"pgbackrest --config={self.configuration} ", 1)

    def run(self, command: str) -> str:
        """What a command line says that the cluster's user runs."""
        user = USER if os.geteuid() == 0 else None
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            user=user,
            group=user,
            extra_groups=[] if user else None,
            cwd="/",
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    def server(self, action: str) -> None:
        self.run(f"{BINARIES}/pg_ctl {action} -w -D {self.home}/data -l {self.home}/log >/dev/null")


def test_a_cluster_is_as_it_was_before_a_mistake() -> None:
    required("pgbackrest")
    create, check, full, incremental, info, restore = COMMANDS
    with a_cluster(archive_mode="on", archive_timeout="60") as cluster:
        machine = Machine(cluster.home)
        machine.configure()
        cluster.execute(f"ALTER SYSTEM SET archive_command = '{machine.configured(ARCHIVE)}'")
        cluster.execute("SELECT pg_reload_conf()")
        machine.run(machine.configured(create))
        machine.run(machine.configured(check))
        cluster.execute("CREATE TABLE kept AS SELECT 1 AS number")
        machine.run(machine.configured(full))
        cluster.execute("INSERT INTO kept VALUES (2)")
        machine.run(machine.configured(incremental))
        cluster.execute("INSERT INTO kept VALUES (3)")
        with psycopg.connect(
            f"postgresql://postgres@/postgres?host={cluster.home}", autocommit=True
        ) as server:
            (before,) = server.execute("SELECT clock_timestamp()").fetchone() or ("",)
            server.execute("DROP TABLE kept")  # the mistake
            server.execute("SELECT pg_switch_wal()")
        assert "incr backup" in machine.run(machine.configured(info))
        machine.server("stop")
        at = re.sub(r'--target="[^"]*"', f'--target="{before:%Y-%m-%d %H:%M:%S.%f+00}"', restore)
        machine.run(machine.configured(at))
        machine.server("start")
        wait_for_writes(cluster.home)
        with psycopg.connect(f"postgresql://postgres@/postgres?host={cluster.home}") as server:
            assert server.execute("SELECT number FROM kept ORDER BY number").fetchall() == [(1,), (2,), (3,)]


def wait_for_writes(home: Path) -> None:
    """Wait until the server has replayed what it needs and accepts writes."""
    target = f"postgresql://postgres@/postgres?host={home}&target_session_attrs=read-write"
    began = time.monotonic()
    while True:
        try:
            psycopg.connect(target, connect_timeout=5).close()
        except psycopg.OperationalError:
            assert time.monotonic() - began < PATIENCE
            time.sleep(0.1)
        else:
            return
