"""The embedded server lives as long as anybody uses it, whatever is killed."""

import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connection

from dashboard.environment import embedded
from dashboard.environment.database import APPLICATION, OWNER, socket_directory, url
from tests.places import open_place

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE = 30.0  # seconds for a start on a busy machine


@contextmanager
def user_of_server(state: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that runs something with the server up; ended in the usual way at the end."""
    environment = {"PATH": os.environ["PATH"], "STATE_DIRECTORY": str(state)}
    command = [sys.executable, "-m", "dashboard.postgres", "sh", "-c", "echo up; exec sleep 600"]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == b"up\n"
            yield process
        finally:
            process.terminate()
            process.wait(PATIENCE)


def postmaster(state: Path) -> int:
    return int((state / "postgres/data/postmaster.pid").read_text().splitlines()[0])


def answers(state: Path) -> bool:
    try:
        psycopg.connect(url(state, APPLICATION)).close()
    except psycopg.OperationalError:
        return False
    return True


def wait_for_answer(state: Path) -> None:
    began = time.monotonic()
    while not answers(state):
        assert time.monotonic() - began < PATIENCE
        time.sleep(0.05)


def wait_for_end(server: psycopg.Connection[Any]) -> None:
    """Until what is left of the killed server has noticed."""
    try:
        while True:
            server.execute("SELECT 1")
    except psycopg.OperationalError:
        return


@pytest.fixture
def state() -> Iterator[Path]:
    with open_place() as place:
        yield place / "var"


@pytest.mark.thorough
def test_the_server_is_started_again_when_killed(state: Path) -> None:
    with user_of_server(state):
        with psycopg.connect(url(state, OWNER), autocommit=True) as owner:
            owner.execute("CREATE TABLE kept AS SELECT 1 AS number")
            first = postmaster(state)
            os.kill(first, signal.SIGKILL)
            wait_for_end(owner)
        wait_for_answer(state)
        assert postmaster(state) != first
        with psycopg.connect(url(state, APPLICATION)) as application:
            assert application.execute("SELECT number FROM kept").fetchall() == [(1,)]
    assert not answers(state)


@pytest.mark.thorough
def test_somebody_else_takes_over_when_the_watcher_is_killed(state: Path) -> None:
    with ExitStack() as second_life:
        with user_of_server(state) as first:
            second_life.enter_context(user_of_server(state))
            server = postmaster(state)
            first.kill()
            first.wait()
        time.sleep(0.5)
        assert (answers(state), postmaster(state)) == (True, server)
        os.kill(server, signal.SIGKILL)
        time.sleep(0.1)
        wait_for_answer(state)
    assert not answers(state)


@pytest.mark.thorough
def test_nobody_else_may_hold_the_locks(state: Path) -> None:
    (state / "postgres").mkdir(parents=True)
    (state / "postgres" / "users.lock").touch(mode=0o644)  # as an earlier version left it
    with user_of_server(state):
        locks = sorted((state / "postgres").glob("*.lock"))
        assert [(lock.name, lock.stat().st_mode & 0o777) for lock in locks] == [
            ("users.lock", 0o600),
            ("watcher.lock", 0o600),
        ]


@pytest.mark.thorough
def test_a_user_that_leaves_does_not_stop_the_server_of_another(state: Path) -> None:
    with user_of_server(state):
        server = postmaster(state)
        with user_of_server(state):
            pass
        assert (answers(state), postmaster(state)) == (True, server)


def test_the_command_decides_the_exit_code() -> None:
    command = [sys.executable, "-m", "dashboard.postgres", "sh", "-c", "exit 7"]
    environment = os.environ | {"DATABASE_URL": "postgresql://elsewhere.example/lookout"}
    assert subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode == 7


def test_a_long_path_moves_the_socket(tmp_path: Path) -> None:
    assert socket_directory(Path("/srv/lookout")) == Path("/srv/lookout/postgres/run")
    long = socket_directory(tmp_path / ("deep" * 30))
    assert len(str(long / ".s.PGSQL.5432")) < 104
    assert long != socket_directory(tmp_path / ("peed" * 30))


def test_a_platform_without_the_package_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RuntimeError, match="Set DATABASE_URL"):
        embedded.find_package()


@pytest.mark.django_db
def test_the_application_uses_every_table_changes_no_audit_entry_and_makes_none() -> None:
    if settings.DATABASE_URL == settings.DATABASE_OWNER_URL:
        pytest.skip("DATABASE_URL and DATABASE_OWNER_URL name the same role")
    with psycopg.connect(settings.DATABASE_URL, dbname=connection.settings_dict["NAME"]) as application:
        row = application.execute(
            "SELECT rolsuper, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname = current_user"
        )
        assert row.fetchone() == (False, False, False)
        tables = application.execute(
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p')"
            " AND relnamespace = 'public'::regnamespace AND NOT ("
            " has_table_privilege(oid, 'SELECT') AND has_table_privilege(oid, 'INSERT')"
            " AND has_table_privilege(oid, 'UPDATE') AND has_table_privilege(oid, 'DELETE'))"
        )
        assert tables.fetchall() == [("fleets_auditentry",)]
        for change in ("UPDATE fleets_auditentry SET action = ''", "DELETE FROM fleets_auditentry"):
            with (
                application.transaction(force_rollback=True),
                pytest.raises(psycopg.errors.InsufficientPrivilege),
            ):
                application.execute(change)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            application.execute("CREATE TABLE mine (number int)")
