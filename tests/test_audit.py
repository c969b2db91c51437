"""`make audit` tells apart that nothing was found and that nothing was looked for."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# What pip-audit 2.10 says, and returns.
CLEAN = ("No known vulnerabilities found", 0)
FOUND = ("Found 1 known vulnerability in 1 package\nName   Version ID\ndjango 3.0     PYSEC-2020-1", 1)
UNKNOWN = ("ERROR:pip_audit._cli:django: Dependency not found on PyPI and could not be audited: django", 1)
OFFLINE = ("Traceback\nrequests.exceptions.ProxyError: HTTPSConnectionPool(host='pypi.org', port=443)", 1)


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (CLEAN, 0, CLEAN[0]),
        (FOUND, 1, "PYSEC-2020-1"),
        (UNKNOWN, 2, "It needs the internet"),
        (OFFLINE, 2, "It needs the internet"),
    ],
    ids=["clean", "found", "unknown", "offline"],
)
def test_what_an_audit_comes_to(tmp_path: Path, answer: tuple[str, int], status: int, words: str) -> None:
    said, code = answer
    auditor = tmp_path / "pip-audit"
    auditor.write_text(f"#!/bin/sh\ncat <<'SAID'\n{said}\nSAID\nexit {code}\n")
    auditor.chmod(0o700)
    done = subprocess.run(
        [ROOT / "scripts" / "audit.sh"],
        env={"PATH": os.environ["PATH"], "PIP_AUDIT": str(auditor)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, words in done.stdout + done.stderr) == (status, True)
    assert ("Nothing is said about the packages." in done.stderr) == (status == 2)


def test_both_lock_files_are_audited_strictly_and_by_their_hashes(tmp_path: Path) -> None:
    asked, auditor = tmp_path / "asked", tmp_path / "pip-audit"
    auditor.write_text(f'#!/bin/sh\necho "$@" >>{asked}\n')
    auditor.chmod(0o700)
    subprocess.run(
        [ROOT / "scripts" / "audit.sh"],
        env={"PATH": os.environ["PATH"], "PIP_AUDIT": str(auditor)},
        capture_output=True,
        check=True,
    )
    options = "--strict --require-hashes --disable-pip --progress-spinner off -r requirements/"
    assert asked.read_text().splitlines() == [f"{options}production.txt", f"{options}development.txt"]
