"""What `check` and each start say about a server that is too old, and one that refuses a connection."""

from __future__ import annotations

from unittest.mock import Mock

import psycopg
import pytest

from fleets.postgres import refusals
from fleets.postgres.checks import server_checks
from fleets.postgres.refusals import refusal


def test_a_server_that_is_too_old_is_named_with_its_version() -> None:
    cursor = Mock(fetchone=Mock(return_value=(140012, "14.12 (Debian 14.12-1)")))
    (message,) = server_checks(cursor)
    assert (message.id, message.is_serious()) == ("dashboard.E001", True)
    assert message.msg == "The database server is PostgreSQL 14.12, and Lookout needs 15 or newer."


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("connection failed: session is read-only", refusals.READ_ONLY),
        ('FATAL:  role "lookout" does not exist', refusals.NO_ROLE),
        ('FATAL:  password authentication failed for user "lookout"', refusals.NOT_KNOWN),
        ('FATAL:  database "lookout" does not exist', refusals.NO_DATABASE),
        ('FATAL:  no pg_hba.conf entry for host "192.0.2.1"', refusals.NO_ACCESS),
        ("Connection refused", ""),
    ],
)
def test_a_refusal_says_what_to_do(said: str, why: str) -> None:
    assert refusal(psycopg.OperationalError(said)) == why


def test_a_role_without_rights_and_a_standby_are_told_by_their_state() -> None:
    assert refusal(psycopg.errors.InsufficientPrivilege()) == refusals.NO_RIGHT
    assert refusal(psycopg.errors.ReadOnlySqlTransaction()) == refusals.READ_ONLY
