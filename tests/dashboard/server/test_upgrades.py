"""What an upgrade does is told before it is done."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from dashboard.server import upgrades
from dashboard.server.upgrades import EVERYBODY, NOBODY, READERS
from tests.factories import make_devices, make_fleet

SQL = """CREATE FUNCTION f() RETURNS trigger AS $body$ BEGIN UPDATE devices_device SET name = ''; END $body$;
ALTER TABLE "devices_device" ADD COLUMN "colour" text NULL;
"""


def said() -> str:
    output = StringIO()
    call_command("check_upgrade", stdout=output)
    return output.getvalue()


@pytest.mark.django_db(transaction=True)
def test_migrations_that_are_not_applied_are_listed_with_what_they_lock() -> None:
    assert said() == "The database has all migrations of this version.\n"
    recorder = MigrationRecorder(connection)
    later = sorted(name for app, name in recorder.applied_migrations() if app == "devices" and name >= "0016")
    for name in later:
        recorder.record_unapplied("devices", name)
    try:
        lines = said().splitlines()
    finally:
        for name in later:
            recorder.record_applied("devices", name)
    assert "devices.0016_outages_forgotten" in lines
    step = next(line for line in lines if line.startswith("  devices_listening "))
    assert step.endswith(f": {NOBODY}; about 0 s")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("statement", "meanwhile", "seconds"),
    [
        ('CREATE INDEX CONCURRENTLY "x" ON "devices_device" ("name")', EVERYBODY, 0.0008),
        ('CREATE UNIQUE INDEX "x" ON "devices_device" ("name")', READERS, 0.0004),
        ('ALTER TABLE "devices_device" ADD COLUMN "x" text NULL', NOBODY, 0),
        ('ALTER TABLE "devices_device" ADD COLUMN "x" text GENERATED ALWAYS AS (name) STORED', NOBODY, 0.024),
        ('ALTER TABLE "devices_device" ALTER COLUMN "name" TYPE text USING "name"::text', NOBODY, 0.024),
        ('ALTER TABLE "devices_device" ADD CONSTRAINT "x" CHECK (true)', NOBODY, 0.0002),
        ('ALTER TABLE "devices_device" ADD CONSTRAINT "x" CHECK (true) NOT VALID', NOBODY, 0),
        ('ALTER TABLE "devices_device" VALIDATE CONSTRAINT "x"', EVERYBODY, 0.0002),
        ("UPDATE devices_device SET name = 'x'", EVERYBODY, 0.01),
    ],
)
def test_each_statement_has_a_lock_and_a_time_by_the_rows_of_its_table(
    statement: str, meanwhile: str, seconds: float
) -> None:
    make_devices(make_fleet(), 200)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE devices_device")
    (step,) = upgrades._steps([f"--\n-- It does this\n--\n{statement};"], set())
    assert (step.table, step.rows, step.meanwhile) == ("devices_device", 200, meanwhile)
    assert step.seconds == pytest.approx(seconds)


@pytest.mark.django_db
def test_bodies_of_functions_and_tables_that_are_new_are_left_out() -> None:
    assert [step.meanwhile for step in upgrades._steps([SQL], set())] == [NOBODY]
    assert not list(upgrades._steps([SQL], {"devices_device"}))
