"""A demo site in a database of its own, commands that run on such databases, and empty ones."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg
from django.conf import settings

from dashboard.backup import programs
from tests.devices.metrics.test_counters import url_of

ROOT: Final = Path(__file__).resolve().parents[3]
PATIENCE: Final = 300.0  # seconds
# The demo, whose devices were in contact an hour ago, and 300 more, all Online then. Nothing came since.
MAKE: Final = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "dashboard.settings"
import django; django.setup()
from datetime import timedelta
from django.core.management import call_command
from devices import clock, connectivity, keys
from devices.alerts import targets
from devices.alerts.target_values import Wanted
from devices.connectivity import outages
from devices.history import rollups
from devices.models import Device
from devices.operations import lifecycle
from fleets.models import Fleet, Organization
call_command("demo_data", verbosity=0)
at = clock.now() - timedelta(hours=1)
organization = Organization.objects.create(name="Works", slug="works")
fleet = Fleet.objects.create(organization=organization, name="Pumps", slug="pumps", vpn_enabled=False)
devices = [lifecycle.register(fleet=fleet, at=at) for _ in range(300)]
connectivity.record_heartbeats([device.pk for device in devices], at)
us = Wanted(kind="email", name="us", values={"address": "us@example.com"})
targets.create(organization=organization, actor=None, wanted=us)
outages.record_liveness(at)
rollups.keep(at)
"""


@dataclass(frozen=True)
class Database:
    """A database of the tests' server by its name."""

    name: str
    state: Path

    @property
    def environment(self) -> dict[str, str]:
        """That of a process of a site with this database, with PostgreSQL's programs in PATH."""
        return {
            "PATH": f"{Path(pg_restore()).parent}:{os.environ['PATH']}",
            "LOCAL": "1",
            "STATE_DIRECTORY": str(self.state),
            "DATABASE_URL": url_of(self.name),
            "DATABASE_OWNER_URL": owner_of(self.name),
            "DJANGO_SETTINGS_MODULE": "dashboard.settings",
            "PYTHONPATH": str(ROOT),
        }

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Python with these arguments, to its end."""
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )

    def manage(self, *arguments: str, **environment: str) -> str:
        """What a command of manage.py says; it must succeed."""
        done = self.run("manage.py", *arguments, **environment)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def refused(self, *arguments: str, **environment: str) -> str:
        """What a command of manage.py says that must fail, as one sentence or two without a traceback."""
        done = self.run("manage.py", *arguments, **environment)
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        return done.stderr.strip()

    def opened(self) -> psycopg.Connection[Any]:
        """A connection of the owner."""
        return psycopg.connect(owner_of(self.name), autocommit=True)

    def one(self, query: str) -> Any:
        """The first value of the first row."""
        with self.opened() as connection:
            (value, *_) = connection.execute(query).fetchone() or (None,)
            return value

    @property
    def relations(self) -> int:
        """How many tables, types, functions and the like it has."""
        return int(
            self.one(
                "SELECT (SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace)"
                " + (SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace)"
                " + (SELECT count(*) FROM pg_type WHERE typnamespace = 'public'::regnamespace)"
            )
        )


def owner_of(database: str) -> str:
    """The owner's connection string of another database of the tests' server."""
    return url_of(database, settings.DATABASE_OWNER_URL)


def pg_restore() -> str:
    """The pg_restore that fits the tests' server."""
    with psycopg.connect(settings.DATABASE_OWNER_URL) as connection:
        return programs.find("pg_restore", connection.info.server_version // 10000)


@contextmanager
def empty(name: str, state: Path, encoding: str = "UTF8") -> Iterator[Database]:
    """An empty database during this block."""
    with psycopg.connect(settings.DATABASE_OWNER_URL, autocommit=True) as owner:
        owner.execute(f'DROP DATABASE IF EXISTS "{name}"')
        like = "" if encoding == "UTF8" else f" TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'"
        owner.execute(f'CREATE DATABASE "{name}"{like}')
        try:
            yield Database(name, state)
        finally:
            owner.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
