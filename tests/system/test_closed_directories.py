"""Where root keeps the site below directories that are closed to others, they stay closed."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from dashboard.environment.database import APPLICATION, url
from dashboard.environment.embedded import BINARIES, FALLBACK, PACKAGE, SYSTEM_USER, find_package, home_of

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE = 60.0  # seconds

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(
        os.geteuid() != 0 and "REQUIRE_SYSTEM" not in os.environ,
        reason="only root runs the embedded PostgreSQL as another user",
    ),
]


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    """A directory of root's alone, with the package of PostgreSQL in it."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    package = find_package()
    for each in (package, package.with_name(f"{PACKAGE}.libs")):
        shutil.copytree(each, closed / "packages" / each.name, symlinks=True)
    return closed


@pytest.fixture
def state(closed: Path) -> Iterator[Path]:
    state = closed / "var"
    yield state
    home = home_of(state, SYSTEM_USER)
    assert home.parent == FALLBACK
    shutil.rmtree(home)


def modes(path: Path) -> list[int]:
    return [stat.S_IMODE(each.stat().st_mode) for each in (path, *path.parents)]


def test_the_embedded_server_runs_and_no_directory_above_it_is_opened(closed: Path, state: Path) -> None:
    before = modes(closed)
    environment = {
        "PATH": os.environ["PATH"],
        "STATE_DIRECTORY": str(state),
        "PYTHONPATH": str(closed / "packages"),
    }
    command = [sys.executable, "-m", "dashboard.postgres", "sh", "-c", "echo up; exec sleep 600"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == b"up\n"
            with psycopg.connect(url(state, APPLICATION)) as connection:
                assert connection.execute("SELECT 1").fetchone() == (1,)
            assert modes(closed) == before
            assert before[0] == 0o700
        finally:
            process.terminate()
            process.wait(PATIENCE)
    (programs,) = home_of(state, SYSTEM_USER).glob("programs-*")  # those below are closed to it as well
    assert (programs / PACKAGE / BINARIES / "postgres").exists()
