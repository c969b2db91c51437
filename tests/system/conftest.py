"""Databases and a bare Debian that tests of real processes share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from dashboard.environment.database import SUPERUSER, url
from tests.devices.ingest.real_site import database, embedded
from tests.system import bare_machine, debian
from tests.system.debian import Debian


@pytest.fixture(scope="session")
def held() -> Iterator[Path]:
    """A state directory whose embedded PostgreSQL runs and is migrated.

    It is killed often. To be there again soon, it asks the file system once for all of its files to be on the
    disk, instead of for each.
    """
    with embedded() as state:
        with psycopg.connect(url(state, SUPERUSER), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET recovery_init_sync_method = 'syncfs'")
        yield state


@pytest.fixture
def state(held: Path) -> Path:
    """The same, without an organization and without a past."""
    with database(held) as connection:
        connection.execute(
            "TRUNCATE fleets_organization, devices_statuschange, devices_connectivityrecord,"
            " devices_teller, devices_signal, devices_listening, devices_listeningprocess, devices_outage,"
            " procrastinate_jobs CASCADE"
        )
    return held


@pytest.fixture(scope="session")
def bare_debian(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Debian]:
    """To copy, not to change."""
    if why := debian.WHY_NOT:
        pytest.fail(why) if os.environ.get("REQUIRE_SYSTEM") == "1" else pytest.skip(why)
    root = tmp_path_factory.mktemp("debian")
    root.chmod(0o755)
    yield debian.make(root)
    bare_machine.run("rm", "-rf", root)
