"""Clusters of Debian's PostgreSQL 15, for databases that the embedded one cannot be made to have."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg
import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
BINARIES: Final = Path("/usr/lib/postgresql/15/bin")
USER: Final = "postgres"  # Debian's, which runs the server where we are root
PATIENCE: Final = 120.0  # seconds that a program on a busy machine may take


@dataclass(frozen=True)
class Database:
    """A database of a cluster, and our programs over it."""

    home: Path
    name: str

    def url(self, role: str) -> str:
        return f"postgresql://{role}@/{self.name}?host={self.home}"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "STATE_DIRECTORY": str(self.home / "state"),
            "LOCAL": "1",
            "DATABASE_URL": self.url("lookout"),
            "DATABASE_OWNER_URL": self.url("lookout_owner"),
            "PYTHONUNBUFFERED": "1",
        }

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """One of our programs: the arguments of Python. Standard error comes with standard output."""
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str, **environment: str) -> tuple[int, str]:
        """The same to its end: its exit code and what it said."""
        process = self.start(*arguments, **environment)
        said, _ = process.communicate(timeout=PATIENCE)
        return process.returncode, said


@dataclass(frozen=True)
class Cluster:
    home: Path

    def execute(self, statement: str, database: str = "postgres") -> None:
        with psycopg.connect(
            f"postgresql://postgres@/{database}?host={self.home}", autocommit=True
        ) as server:
            server.execute(statement)

    def value(self, query: str) -> object:
        """The value of a query with one."""
        with psycopg.connect(f"postgresql://postgres@/postgres?host={self.home}") as server:
            (value,) = server.execute(query).fetchone() or (None,)
        return value

    def database(self, name: str, how: str) -> Database:
        """An empty database with our roles, created with these words behind its name."""
        self.execute(f"CREATE DATABASE {name} OWNER lookout_owner TEMPLATE template0 {how}")
        self.execute((ROOT / "dashboard" / "roles.sql").read_text(), name)
        return Database(self.home, name)


@contextmanager
def a_cluster(**settings: str) -> Iterator[Cluster]:
    """Its server runs inside this block, with these settings, on a socket of its own."""
    if not (BINARIES / "initdb").exists():
        missing = "Debian's postgresql-15 is not installed"
        pytest.fail(missing) if os.environ.get("REQUIRE_SYSTEM") == "1" else pytest.skip(missing)
    home = Path(tempfile.mkdtemp(prefix="lookout-cluster-"))
    home.chmod(0o711)
    data = home / "data"
    data.mkdir()
    if os.geteuid() == 0:
        shutil.chown(home, USER)
        shutil.chown(data, USER)
    options = {"listen_addresses": "", "unix_socket_directories": str(home), "fsync": "off"} | settings
    try:
        _run(
            "initdb",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            f"--username={USER}",
            "-D",
            str(data),
        )
        (data / "postgresql.auto.conf").write_text("".join(f"{k} = '{v}'\n" for k, v in options.items()))
        _run("pg_ctl", "start", "-w", "-D", str(data), "-l", str(home / "log"))
        try:
            cluster = Cluster(home)
            cluster.execute((ROOT / "dashboard" / "roles.sql").read_text())
            yield cluster
        finally:
            _run("pg_ctl", "stop", "-w", "-m", "immediate", "-D", str(data))
    finally:
        shutil.rmtree(home)


def _run(program: str, *arguments: str) -> None:
    user = USER if os.geteuid() == 0 else None
    subprocess.run(
        [str(BINARIES / program), *arguments],
        check=True,
        cwd="/",
        user=user,
        group=user,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,  # a pipe would stay open in the server that pg_ctl starts
        start_new_session=True,
    )
