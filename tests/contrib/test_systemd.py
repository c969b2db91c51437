"""The units of contrib/systemd, as systemd itself reads them, below a root of the test's own."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.programs import required

UNITS: Final = Path(__file__).resolve().parents[2] / "contrib" / "systemd"
SERVICES: Final = sorted(unit.name for unit in UNITS.glob("*.service"))
SERVING: Final = ("web", "ingest", "settle", "tell", "balena", "work")
MOST: Final = 2.5  # of 10, of what systemd thinks of the rights that a unit leaves to its process


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """With our units, those of this machine, and the program that ours start."""
    shutil.copytree("/lib/systemd/system", tmp_path / "lib/systemd/system", symlinks=True)
    shutil.copytree(UNITS, tmp_path / "etc/systemd/system")
    python = tmp_path / "opt/lookout/venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\n")
    python.chmod(0o755)
    return tmp_path


def run(*command: str | Path) -> str:
    """What it says; it must succeed."""
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_systemd_has_nothing_to_say_about_them(root: Path) -> None:
    files = [root / "etc/systemd/system" / name for name in (*SERVICES, "lookout.target")]
    said = run(required("systemd-analyze"), "verify", "--man=no", f"--root={root}", *files)
    assert [line for line in said.splitlines() if "lookout" in line] == []


@pytest.mark.parametrize("service", SERVICES)
def test_a_process_has_few_rights(root: Path, service: str) -> None:
    said = run(required("systemd-analyze"), "security", "--offline=yes", f"--root={root}", service)
    found = re.search(r"exposure level for \S+: ([0-9.]+)", said)
    assert found, said
    assert float(found[1]) <= MOST


def test_enabling_the_target_enables_all_of_its_services(root: Path) -> None:
    run(required("systemctl"), f"--root={root}", "enable", "lookout.target")
    wanted = root / "etc/systemd/system/lookout.target.wants"
    assert sorted(link.name for link in wanted.iterdir()) == sorted(
        f"lookout-{name}.service" for name in SERVING
    )
    assert (root / "etc/systemd/system/multi-user.target.wants/lookout.target").is_symlink()


def test_there_is_a_unit_for_each_process_and_one_that_migrates() -> None:
    assert [f"lookout-{name}.service" for name in sorted((*SERVING, "migrate"))] == SERVICES
