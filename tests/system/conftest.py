"""Databases that tests of real processes share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from dashboard.environment.database import SUPERUSER, url
from tests.devices.ingest.real_site import database, embedded


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
