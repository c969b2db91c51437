"""A database as migrations leave it: made once, kept as long as they stay the same, and copied by all.

Each worker's database begins as a copy of it, and each site of its own in a test.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from hashlib import blake2b
from pathlib import Path
from typing import Final

import psutil
import psycopg
from django.conf import settings
from psycopg.conninfo import make_conninfo

ROOT: Final = Path(__file__).resolve().parent.parent
APPS: Final = ("dashboard", "devices", "fleets")
PREFIX: Final = "template_"
# Of a worker that was killed: with the number of its process.
LEFT: Final = re.compile(r"(?:migrated|whole_site|lookout_bench_test)_(\d+)(?:_|$)")


def name() -> str:
    """The name of the template database, with a digest of our migrations and of the installed packages."""
    decides = [ROOT / "requirements" / "development.txt", ROOT / "dashboard" / "settings.py"]
    for app in APPS:
        decides += sorted(path for path in (ROOT / app / "migrations").rglob("*") if path.suffix != ".pyc")
        decides += sorted((ROOT / app).glob("models/*.py")) + sorted((ROOT / app).glob("models.py"))
    digest = blake2b(Path(__file__).read_bytes(), digest_size=8)
    for path in decides:
        if path.is_file():
            digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return f"{PREFIX}{digest.hexdigest()}"


def make() -> None:
    """Create the template unless it exists; drop outdated ones, and databases that killed runs left."""
    with psycopg.connect(settings.DATABASE_OWNER_URL, autocommit=True) as owner:
        owner.execute("SELECT pg_advisory_lock(hashtext('tests.template'))")  # of several runs at once
        there = {row[0] for row in owner.execute("SELECT datname FROM pg_database").fetchall()}
        for each in there - {name()}:
            if each.startswith(PREFIX) or of_the_dead(each):
                owner.execute(f'DROP DATABASE "{each}"')
        if name() not in there:
            draft = f"{PREFIX}draft"  # whole or not at all
            owner.execute(f'CREATE DATABASE "{draft}"')
            migrate(draft)
            owner.execute(f'ALTER DATABASE "{draft}" RENAME TO "{name()}"')


def of_the_dead(database: str) -> bool:
    found = LEFT.match(database)
    return found is not None and not psutil.pid_exists(int(found[1]))


def migrate(database: str) -> None:
    addresses = {
        name: make_conninfo(getattr(settings, name), dbname=database)
        for name in ("DATABASE_URL", "DATABASE_OWNER_URL", "DATABASE_DIRECT_URL")
    }
    command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    subprocess.run(command, cwd=ROOT, env=os.environ | addresses, check=True)


def drop() -> None:
    """Drop the template; called for a server that the tests have not started themselves."""
    with psycopg.connect(settings.DATABASE_OWNER_URL, autocommit=True) as owner:
        owner.execute(f'DROP DATABASE IF EXISTS "{name()}"')
