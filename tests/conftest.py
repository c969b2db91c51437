"""What all tests share: profiles of hypothesis, markers, and the database."""

import gc
import os
from collections.abc import Iterator
from contextlib import ExitStack
from threading import BoundedSemaphore
from typing import Final

import psycopg
import pytest
from django.conf import settings
from django.template import Template
from django.test import TransactionTestCase

from dashboard.account import first_run
from dashboard.environment import database
from dashboard.http import password_hashing
from tests import emptying, markers, rendering, template
from tests.copies import copied
from tests.examples import load_profile

load_profile()

# The embedded server's data need not survive the machine; and no table is worth starting processes for,
# which the planner cannot know of tables without statistics.
QUICK: Final = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_parallel_workers_per_gather": "0",
    "max_wal_size": "128MB",  # it is kept on the disk afterwards
}


def pytest_configure(config: pytest.Config) -> None:
    """Without DATABASE_URL, start the embedded PostgreSQL for the whole run of the tests."""
    if settings.EMBEDDED and not hasattr(config, "workerinput"):
        from dashboard import postgres  # noqa: PLC0415 - not there without the extra `embedded`

        server = ExitStack()
        server.enter_context(postgres.running_server(settings.STATE_DIRECTORY))
        config.add_cleanup(server.close)
        superuser = database.url(settings.STATE_DIRECTORY, database.SUPERUSER, "postgres")
        with psycopg.connect(superuser, autocommit=True) as connection:
            for setting, value in QUICK.items():
                connection.execute(f"ALTER SYSTEM SET {setting} = '{value}'")
            connection.execute("SELECT pg_reload_conf()")
    settings.DATABASES["default"].setdefault("TEST", {})["TEMPLATE"] = template.name()


@pytest.hookimpl(tryfirst=True)  # before workers begin
def pytest_sessionstart(session: pytest.Session) -> None:
    try:
        psycopg.connect(settings.DATABASE_OWNER_URL, connect_timeout=10).close()
    except psycopg.OperationalError as error:
        pytest.exit(f"{error}\n{database.hint()}", 3)
    if not hasattr(session.config, "workerinput"):
        template.make()
        if not settings.EMBEDDED:  # not the tests' own server
            session.config.add_cleanup(template.drop)


@pytest.hookimpl(tryfirst=True)  # before they are chosen by their marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        markers.mark(item)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Exempt all that was imported and collected from garbage collection, as it stays to the end."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def after_the_first_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the first run of the site be over, although the database of most tests has no account."""
    monkeypatch.setattr(first_run._Seen, "account", True)


@pytest.fixture
def many_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Allow ten password hashes at once, for tests that make several requests at once."""
    monkeypatch.setattr(password_hashing.PASSWORDS, "_free", BoundedSemaphore(10))


@pytest.fixture(scope="session")
def migrated() -> Iterator[str]:
    """The name of a migrated, empty database of this worker, to read and to copy."""
    name = f"migrated_{os.getpid()}"
    with copied(template.name(), name):
        yield name


@pytest.fixture(scope="session", autouse=True)
def made_quicker(django_test_environment: None) -> Iterator[None]:
    """What Django does around tests and within, done for less."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", emptying.empty)
        patch.setattr(Template, "_render", rendering.render)
        yield
