"""A database that is away is told apart from a mistake of ours, and its connection is not used again."""

from __future__ import annotations

import psycopg
import pytest
from django.db import InternalError, ProgrammingError, connection

from dashboard.management.commands.settle import Command
from devices.ingest.database import in_database
from devices.ingest.http import Refused
from fleets.postgres import availability

pytestmark = pytest.mark.django_db(transaction=True)


def run(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


def write_where_nobody_may() -> None:
    """As on a primary that has become a standby."""
    run("SET default_transaction_read_only = on")
    run("DELETE FROM devices_listening")


def server_process() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def test_a_former_primary_counts_as_away_and_its_connection_is_dropped() -> None:
    before = server_process()
    with pytest.raises(Refused) as refused:
        in_database(write_where_nobody_may)
    assert refused.value.status == 503
    assert server_process() != before
    in_database(lambda: run("DELETE FROM devices_listening"))


def test_a_thread_of_the_background_drops_it_too() -> None:
    before = server_process()
    with pytest.raises(InternalError, match="read-only transaction"), availability.connected():
        write_where_nobody_may()
    assert server_process() != before


def test_settle_waits_for_a_former_primary(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Always:
        leads = resign = staticmethod(lambda: True)

    monkeypatch.setattr(Command, "settle_once", lambda self: write_where_nobody_may())
    assert not Command().run_if_leading(Always())  # type: ignore[arg-type]
    assert "waiting for the database" in capsys.readouterr().err
    run("DELETE FROM devices_listening")


def test_a_mistake_of_ours_is_not_an_absence() -> None:
    with pytest.raises(ProgrammingError) as wrong:
        in_database(lambda: run("SELECT nonsense"))
    assert not availability.is_away(wrong.value)


def test_what_ends_a_connection_is_an_absence() -> None:
    nobody = "postgresql://nobody@127.0.0.1:1/nothing"
    with pytest.raises(psycopg.OperationalError) as refused:
        psycopg.connect(nobody)
    assert availability.is_away(refused.value)
    with pytest.raises(Exception, match="terminating connection") as ended:
        run("SELECT pg_terminate_backend(pg_backend_pid())")
    assert availability.is_away(ended.value)
    availability.drop()
    assert not availability.is_away(ValueError())
