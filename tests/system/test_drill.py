"""The drill, somewhat shorter: the site is away, which is told to its administrators and to nobody else."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.devices.ingest.real_site import ROOT


def test_an_outage_of_ours_is_told_to_administrators_of_the_site_alone() -> None:
    drill = [sys.executable, "scripts/drill.py", "--devices", "10", "--outage", "62"]
    done = subprocess.run(
        drill, cwd=ROOT, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
