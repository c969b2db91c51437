"""Finding the real programs that tests use as clients of the site or as proxies in front of it."""

from __future__ import annotations

import os
import shutil

import pytest


def required(name: str) -> str:
    """The path of this program; if it is missing, the test is skipped, or fails if REQUIRE_PEERS is set."""
    if found := shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin"):
        return found
    missing = f"no {name} in PATH: not tested with it"
    if os.environ.get("REQUIRE_PEERS") == "1":
        pytest.fail(missing)
    pytest.skip(missing)
