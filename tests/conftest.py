"""What all tests share: hypothesis profiles, and the database."""

import os
from contextlib import ExitStack

import psycopg
import pytest
from django.conf import settings
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from dashboard import database, first_run

# No deadline: the first example pays for warming up, and the machine may be busy.
hypothesis_settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.register_profile(
    "ci", parent=hypothesis_settings.get_profile("default"), derandomize=True
)
hypothesis_settings.load_profile("ci" if os.environ.get("CI") else "default")


def pytest_configure(config: pytest.Config) -> None:
    """Without DATABASE_URL the embedded server runs as long as the tests do."""
    if settings.EMBEDDED and not hasattr(config, "workerinput"):
        from dashboard import postgres  # noqa: PLC0415 - not there without the extra `embedded`

        server = ExitStack()
        server.enter_context(postgres.running_server(settings.STATE_DIRECTORY))
        config.add_cleanup(server.close)
        superuser = database.url(settings.STATE_DIRECTORY, database.SUPERUSER, "postgres")
        with psycopg.connect(superuser, autocommit=True) as connection:
            for setting in ("fsync", "full_page_writes"):
                connection.execute(f"ALTER SYSTEM SET {setting} = off")
            connection.execute("SELECT pg_reload_conf()")


def pytest_sessionstart(session: pytest.Session) -> None:
    try:
        psycopg.connect(settings.DATABASE_OWNER_URL, connect_timeout=10).close()
    except psycopg.OperationalError as error:
        pytest.exit(f"{error}\n{database.hint()}", 3)


@pytest.fixture(autouse=True)
def after_the_first_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most tests are about a site that has been set up, whether or not their database holds a person."""
    monkeypatch.setattr(first_run._Seen, "account", True)
