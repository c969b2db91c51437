"""A real worker process in the database of the test, with the application's database role."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.db import connection
from psycopg.conninfo import make_conninfo

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 60.0  # seconds for what a process on a busy machine does
# Begins a program whose worker notices sooner that another died: after 4 s without a sign, instead of 10 s.
IMPATIENT = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "dashboard.settings"
import django; django.setup()
import asyncio
from devices.worker import worker
worker.SIGN, worker.LOOK, worker.DEAD = 0.5, 0.5, 4.0
"""
# A worker for which it has just been night.
NIGHT = f'{IMPATIENT}worker.NIGHTLY = "* * * * *"\nasyncio.run(worker.work())'


def environment(pool: int = 4) -> dict[str, str]:
    """The environment of a process in the database of the test; `pool`: the most connections it opens."""
    database = make_conninfo(settings.DATABASE_URL, dbname=connection.settings_dict["NAME"])
    return {
        "PATH": os.environ["PATH"],
        "LOCAL": "1",
        "STATE_DIRECTORY": str(settings.STATE_DIRECTORY),
        "DATABASE_URL": database,
        "DATABASE_POOL": str(pool),
    }


def start_worker(*command: str, pool: int = 4, **more: str) -> subprocess.Popen[bytes]:
    """Start `manage.py work`, or Python with other arguments; `more` of the environment."""
    arguments = [sys.executable, *(command or ("manage.py", "work"))]
    return subprocess.Popen(arguments, cwd=ROOT, env=environment(pool) | more)


@contextmanager
def a_worker(*command: str, pool: int = 4, **more: str) -> Iterator[subprocess.Popen[bytes]]:
    process = start_worker(*command, pool=pool, **more)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(PATIENCE)


def wait_until(true: Callable[[], object]) -> None:
    """Wait until the condition holds, which another process brings about; fails after PATIENCE."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < PATIENCE
        time.sleep(0.02)
