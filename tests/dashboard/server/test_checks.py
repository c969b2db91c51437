import pytest
from psycopg.conninfo import make_conninfo
from pytest_django import Settings

from dashboard.server.checks import database_checks, deploy_checks
from fleets.postgres.checks import at_start
from fleets.postgres.refusals import NO_ROLE


def test_production_needs_its_own_database_and_secrets(settings: Settings) -> None:
    settings.EMBEDDED = False
    settings.SECRET_KEY = "s" * 50
    settings.KEY_PEPPER = ["p" * 32]
    assert deploy_checks(None) == []
    settings.EMBEDDED = True
    settings.KEY_PEPPER = ["p" * 31, "s" * 50]
    found = [(message.id, bool(message.hint)) for message in deploy_checks(None)]
    assert found == [("dashboard.W003", True), ("dashboard.W004", True), ("dashboard.W005", True)]


@pytest.mark.django_db
def test_the_application_should_not_own_the_schema(settings: Settings) -> None:
    assert database_checks(None, ["default"]) == []  # the tests' own role is the owner
    settings.DATABASE_ROLE = "application"
    assert [message.id for message in database_checks(None, ["default"])] == ["dashboard.W002"]
    assert database_checks(None, None) == []


@pytest.mark.django_db
def test_a_process_that_the_server_turns_away_says_what_to_do_and_waits(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.DATABASE_DIRECT_URL = make_conninfo(settings.DATABASE_DIRECT_URL, user="nobody")
    at_start()
    assert caplog.messages == [NO_ROLE]


def test_a_process_starts_without_its_database_and_waits_for_it(settings: Settings) -> None:
    settings.DATABASE_DIRECT_URL = "postgresql://nobody@127.0.0.1:1/nothing"
    at_start()
