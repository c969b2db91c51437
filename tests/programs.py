"""Real programs that tests talk to the site with, or put in front of it."""

from __future__ import annotations

import os
import shutil

import pytest


def required(name: str) -> str:
    """Where this program is; without it the test is skipped, or fails where peers are required."""
    if found := shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin"):
        return found
    missing = f"no {name} in PATH: not tested with it"
    if os.environ.get("REQUIRE_PEERS") == "1":
        pytest.fail(missing)
    pytest.skip(missing)
