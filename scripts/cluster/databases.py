"""Three machines with PostgreSQL 15 under Patroni and etcd, configured as docs/deployment.md says."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.system.network import NETWORK, Machine, run
from tests.system.postgres import BINARIES, ROLES, Server, account, until

START: Final = 120.0  # seconds
REST, ETCD, ETCD_PEERS, POSTGRES = 8008, 2379, 2380, 5432  # ports
LEADS: Final = ("leader", "running")  # role and state
FOLLOWS: Final = ("quorum_standby", "streaming")
STEADY: Final = {  # https://patroni.readthedocs.io/en/latest/dynamic_configuration.html
    "ttl": 20,
    "loop_wait": 5,
    "retry_timeout": 5,
    "primary_start_timeout": 0,
    "synchronous_mode": "quorum",
    "postgresql": {
        "use_pg_rewind": True,
        "parameters": {
            "max_connections": 100,
            # A primary that steps down waits this long for a standby that is gone, instead of 60 s.
            "wal_sender_timeout": "10s",
            # Its data need not survive this computer, only the machines in it; their disks are small.
            "fsync": "off",
            "max_wal_size": "128MB",
            "min_wal_size": "32MB",
        },
    },
}


@dataclass(frozen=True)
class Database:
    """A machine with its etcd and its Patroni. `packages`: where Patroni 4 is, for all to read."""

    name: str
    server: Server
    packages: Path

    @property
    def address(self) -> str:
        return self.server.machine.address

    def start(self, others: Sequence[Database]) -> None:
        """Both programs; they end with their machine. `others`: all databases, this one among them."""
        config = self.server.home / "patroni.json"
        config.write_text(json.dumps(self._patroni(others)))
        self._begin("etcd", *self._etcd(others))
        python = ("env", f"PYTHONPATH={self.packages}", "PYTHONDONTWRITEBYTECODE=1", "/usr/bin/python3")
        self._begin("patroni", *python, "-m", "patroni", str(config))

    def _begin(self, name: str, *command: str) -> None:
        home = self.server.home
        inside = self.server.machine.inside(*command, user=account())
        with (home / f"{name}.log").open("a") as log:
            # In a session of its own: Ctrl-C in the terminal is no failure of a database.
            subprocess.Popen(inside, stdout=log, stderr=log, cwd=home, start_new_session=True)

    def _etcd(self, others: Sequence[Database]) -> list[str]:
        mine, peer = f"http://{self.address}:{ETCD}", f"http://{self.address}:{ETCD_PEERS}"
        cluster = ",".join(f"{each.name}=http://{each.address}:{ETCD_PEERS}" for each in others)
        settings = {
            "name": self.name,
            "data-dir": str(self.server.home / "etcd"),
            "listen-client-urls": mine,
            "advertise-client-urls": mine,
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "initial-cluster": cluster,
        }
        return ["etcd", *(f"--{name}={value}" for name, value in settings.items())]

    def _patroni(self, others: Sequence[Database]) -> dict[str, Any]:
        data, superuser = self.server.data, {"username": "postgres"}
        trust = [f"host {what} all {NETWORK}.0/24 trust" for what in ("all", "replication")]
        return {
            "scope": "lookout",
            "name": self.name,
            "restapi": {"listen": f"{self.address}:{REST}", "connect_address": f"{self.address}:{REST}"},
            "etcd3": {"hosts": [f"{each.address}:{ETCD}" for each in others]},
            "bootstrap": {
                "dcs": STEADY,
                "initdb": [{"encoding": "UTF8"}, {"locale": "C.UTF-8"}, {"auth": "trust"}],
            },
            "postgresql": {
                "listen": f"{self.address}:{POSTGRES}",
                "connect_address": f"{self.address}:{POSTGRES}",
                "data_dir": data,
                "bin_dir": str(BINARIES),
                "pgpass": str(self.server.home / "pgpass"),
                "use_unix_socket": True,
                "authentication": dict.fromkeys(("superuser", "replication", "rewind"), superuser),
                "parameters": {"unix_socket_directories": str(self.server.home)},
                "pg_hba": ["local all all trust", *trust],
            },
        }

    def kill(self) -> None:
        """Its PostgreSQL, as by `kill -9`; Patroni goes on."""
        os.kill(int((self.server.home / "data" / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)


@dataclass(frozen=True)
class Member:
    """A database as Patroni sees it: `role` is leader, quorum_standby or replica."""

    name: str
    role: str
    state: str

    def __str__(self) -> str:
        return f"{self.name} {self.role} {self.state}"


@dataclass(frozen=True)
class Databases:
    """All of them; `asked_from` is the machine from which they are asked over the network."""

    all: tuple[Database, ...]
    asked_from: Machine

    def start(self) -> None:
        """With the roles and the database of the site; returns when every commit is on two of them."""
        for each in self.all:
            each.start(self.all)
        until(self.in_step, START)
        leader = self.leader().server
        leader.ask(ROLES.read_text(), database="template1")
        leader.ask("CREATE DATABASE lookout OWNER lookout_owner", database="postgres")

    def members(self) -> list[Member]:
        """As the first that answers knows them; none if nobody answers."""
        for each in self.all:
            command = ("curl", "-s", "--max-time", "2", f"http://{each.address}:{REST}/cluster")
            done = subprocess.run(self.asked_from.inside(*command), capture_output=True, check=False)
            if done.returncode == 0:
                found = json.loads(done.stdout).get("members", [])
                return [Member(one["name"], one["role"], one["state"]) for one in found]
        return []

    def in_step(self) -> bool:
        """One leads, the others have all that it has."""
        found = sorted((member.role, member.state) for member in self.members())
        return found == [LEADS, *[FOLLOWS] * (len(self.all) - 1)]

    def leader(self) -> Database:
        """Who leads, once somebody does.

        Raises AssertionError if nobody does for a minute.
        """
        found: list[Database] = []

        def somebody_does() -> bool:
            found[:] = self.leaders()
            return bool(found)

        until(somebody_does)
        return found[0]

    def leaders(self) -> list[Database]:
        """Who leads now; nobody while Patroni chooses, or while none of them answers."""
        names = {member.name for member in self.members() if (member.role, member.state) == LEADS}
        return [each for each in self.all if each.name in names]

    def switch_over(self) -> None:
        """Ask Patroni to let another one lead; returns when it does."""
        leader = self.leader()
        asked = ("-X", "POST", "-d", json.dumps({"leader": leader.name}))
        address = f"http://{leader.address}:{REST}/switchover"
        run(*self.asked_from.inside("curl", "-sS", "--fail-with-body", "--max-time", "50", *asked, address))

    def url(self) -> str:
        """The connection string that docs/deployment.md recommends."""
        hosts = ",".join(each.address for each in self.all)
        return f"postgresql://lookout@{hosts}/lookout?target_session_attrs=read-write"
