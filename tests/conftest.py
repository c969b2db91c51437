"""What all tests share: hypothesis profiles, and a clear word when no database answers."""

import os

import psycopg
import pytest
from django.conf import settings
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from dashboard import database

# No deadline: the first example pays for warming up, and the machine may be busy.
hypothesis_settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.register_profile(
    "ci", parent=hypothesis_settings.get_profile("default"), derandomize=True
)
hypothesis_settings.load_profile("ci" if os.environ.get("CI") else "default")


def pytest_sessionstart(session: pytest.Session) -> None:
    try:
        psycopg.connect(settings.DATABASE_OWNER_URL, connect_timeout=10).close()
    except psycopg.OperationalError as error:
        pytest.exit(f"{error}\n{database.hint()} For the tests: make test", 3)
