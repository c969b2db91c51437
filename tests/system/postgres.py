"""Debian's PostgreSQL 15 on machines of a test's own network: a primary, and a standby that it waits for."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import RawIOBase
from pathlib import Path
from typing import Any, Final

import psycopg

from tests.system.network import NETWORK, Machine, run

BINARIES: Final = Path("/usr/lib/postgresql/15/bin")
WHY_NOT: Final = "" if (BINARIES / "initdb").exists() else "PostgreSQL 15 is not installed"
ROLES: Final = Path(__file__).resolve().parents[2] / "dashboard" / "roles.sql"
PATIENCE: Final = 60.0  # seconds
TRUST: Final = f"host all all {NETWORK}.0/24 trust\nhost replication all {NETWORK}.0/24 trust\n"
# Its data need not survive the machine.
QUICK: Final = ("-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_connections=60")


def until(comes: Callable[[], object], patience: float = PATIENCE) -> None:
    began = time.monotonic()
    while not comes():
        assert time.monotonic() - began < patience
        time.sleep(0.1)


def account() -> tuple[int, int]:
    who = pwd.getpwnam("postgres")
    return who.pw_uid, who.pw_gid


@dataclass(frozen=True)
class Server:
    """In `home`, which is the server's user's: its data and its socket.

    `environment`: NAME=VALUE, what its programs find there besides.
    """

    home: Path
    machine: Machine
    environment: tuple[str, ...] = ()

    @property
    def data(self) -> str:
        return str(self.home / "data")

    @property
    def log(self) -> Path:
        return self.home / "log"

    def program(self, name: str, *arguments: str) -> list[str]:
        command = ("env", *self.environment, str(BINARIES / name), *arguments)
        return self.machine.inside(*command, user=account())

    def url(self, role: str = "postgres", database: str = "lookout") -> str:
        """On its own machine's file system, whatever becomes of the network."""
        return f"postgresql://{role}@/{database}?host={self.home}"

    def ask(self, sql: str, *params: Any, database: str = "lookout") -> list[Any]:
        with psycopg.connect(self.url(database=database), autocommit=True) as connection:
            cursor = connection.execute(sql, params or None)
            return cursor.fetchall() if cursor.description else []

    def make(self) -> None:
        """An empty server with the two roles and the database."""
        run(*self.program("initdb", "--auth=trust", "--encoding=UTF8", "--locale=C", "-D", self.data))
        with (self.home / "data" / "pg_hba.conf").open("a") as file:
            file.write(TRUST)
        with self.running():
            self.ask(ROLES.read_text(), database="template1")
            self.ask("CREATE DATABASE lookout OWNER lookout_owner", database="postgres")

    def follow(self, primary: Server) -> None:
        """Become a copy of the primary, which goes on over the network."""
        source = f"host={primary.machine.address} user=postgres application_name=standby"
        run(*self.program("pg_basebackup", "-R", "--checkpoint=fast", "-D", self.data, "-d", source))

    @contextmanager
    def running(self, *settings: str) -> Iterator[None]:
        options = [argument for setting in settings for argument in ("-c", setting)]
        command = self.program("postgres", "-D", self.data, "-k", str(self.home), *QUICK, *options)
        with (
            (self.home / "log").open("a") as log,
            subprocess.Popen(command, stdout=log, stderr=log) as server,
        ):
            try:
                self.wait_until_up(server)
                yield
            finally:
                # At once where it was told to follow or has a follower: either may wait for who is away.
                server.send_signal(signal.SIGQUIT if settings else signal.SIGINT)
                server.wait(PATIENCE)

    def wait_until_up(self, server: subprocess.Popen[bytes]) -> None:
        until = time.monotonic() + PATIENCE
        while True:
            try:
                self.ask("SELECT 1", database="postgres")
            except psycopg.OperationalError:
                said = self.log.read_text()
                assert server.poll() is None, said
                assert time.monotonic() < until, said
                time.sleep(0.1)
            else:
                return


@contextmanager
def quorum(primary: Server, standby: Server) -> Iterator[None]:
    """Both run, and each commit of the primary waits until the standby has it; `standby` is still empty."""
    with primary.running("listen_addresses=*", "synchronous_standby_names=ANY 1 (standby)"):
        primary.ask("SET synchronous_commit = local; SELECT pg_switch_wal()")
        standby.follow(primary)
        with standby.running("listen_addresses=*"):
            until(lambda: primary.ask("SELECT sync_state FROM pg_stat_replication") == [("quorum",)])
            yield


def home(path: Path) -> Path:
    """A new directory of the server's user."""
    path.mkdir()
    os.chown(path, *account())
    return path


@contextmanager
def disk(path: Path, size: str) -> Iterator[None]:
    """A directory of the server's user that is a small disk of this size, until the block ends."""
    user, group = account()
    run("mount", "-t", "tmpfs", "-o", f"size={size},mode=700,uid={user},gid={group}", "disk", str(home(path)))
    try:
        yield
    finally:
        run("umount", str(path))


@contextmanager
def filled(path: Path) -> Iterator[None]:
    """A file takes all the room on this disk until the block ends, and what becomes free meanwhile."""
    ballast, over = path / "ballast", threading.Event()
    with ballast.open("wb", buffering=0) as file:
        fill(file)
        filling = threading.Thread(target=keep_filling, args=(file, over))
        filling.start()
        try:
            yield
        finally:
            over.set()
            filling.join()
            ballast.unlink()


def fill(file: RawIOBase) -> None:
    with suppress(OSError):
        while True:
            file.write(bytes(1 << 20))


def keep_filling(file: RawIOBase, over: threading.Event) -> None:
    while not over.wait(0.1):
        fill(file)
