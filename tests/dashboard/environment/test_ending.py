"""Ctrl-C ends a start at once, wherever it is, and what was begun with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psutil
import pytest

from dashboard.environment import ending
from tests.places import open_place

ROOT: Final = Path(__file__).resolve().parents[3]
PATIENCE: Final = 60.0  # seconds on a busy machine


@pytest.fixture
def state() -> Iterator[Path]:
    with open_place() as place:
        yield place / "var"


@pytest.fixture
def nobody_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ending, "_asked", [])


def start(state: Path, *command: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "dashboard.postgres", *command],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "STATE_DIRECTORY": str(state)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def left(state: Path) -> list[psutil.Process]:
    """Whoever works in or for this directory."""
    found = []
    for process in psutil.process_iter(["cmdline", "cwd"]):
        info = process.info
        if str(state) in " ".join(info["cmdline"] or ()) or str(state) in (info["cwd"] or ""):
            found.append(process)
    return found


@pytest.mark.thorough
@pytest.mark.parametrize(
    "begun", ["users.lock", "data.draft", "data.draft/base", "data", "run/.s.PGSQL.5432"]
)
def test_it_ends_while_the_database_is_made_and_can_be_started_again(state: Path, begun: str) -> None:
    with start(state, "true") as process:
        until = time.monotonic() + PATIENCE
        while not (state / "postgres" / begun).exists():
            assert process.poll() is None
            assert time.monotonic() < until
        os.killpg(process.pid, signal.SIGINT)
        said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode in {0, 130, -signal.SIGINT}
    assert (left(state), said) == ([], "")
    with start(state, "echo", "runs") as again:
        assert again.communicate(timeout=PATIENCE)[0] == "runs\n"


def test_a_signal_that_comes_while_somebody_waits_ends_the_wait(nobody_asked: None) -> None:
    before = [signal.getsignal(number) for number in ending.ENDING]
    try:
        ending.heed()
        ending.check()
        assert ending.asked() == 0
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(ending.Stopped):
            ending.wait(600)
        assert ending.asked() == signal.SIGINT
    finally:
        for number, handler in zip(ending.ENDING, before, strict=True):
            signal.signal(number, handler)


def test_what_is_run_ends_with_us(nobody_asked: None, tmp_path: Path) -> None:
    ending._asked.append(signal.SIGINT)
    with pytest.raises(ending.Stopped):
        ending.run(["sh", "-c", f"echo $$ >{tmp_path}/began; exec sleep 600"], os.environ)
    began = tmp_path / "began"
    assert not began.exists() or not psutil.pid_exists(int(began.read_text()))


def test_what_is_run_to_its_end_is_read(nobody_asked: None) -> None:
    done = ending.run(["sh", "-c", "echo said; exit 3"], os.environ, read=True)
    assert (done.returncode, done.stdout) == (3, "said\n")
