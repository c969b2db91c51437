"""Which migrations `make lint` refuses."""

from __future__ import annotations

from typing import Any, Final

import pytest
from django.contrib.postgres.operations import AddConstraintNotValid, AddIndexConcurrently, ValidateConstraint
from django.db import migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.models.functions import Lower

from tests.upgrade import careful
from tests.upgrade.careful import BATCHES, CONCURRENTLY, FORMER, LONG_LOCK, NO_DEFAULT, NOT_VALID, REWRITES

BY_NAME: Final = models.Index(fields=["name"], name="by_name")
NAMED: Final = models.CheckConstraint(condition=~models.Q(name=""), name="named")
ONE_NAME: Final = models.UniqueConstraint(fields=["name"], name="one_name")
STORED: Final = models.GeneratedField(
    expression=Lower("name"), output_field=models.TextField(), db_persist=True
)
FUNCTION: Final = (
    "CREATE FUNCTION f() RETURNS trigger AS $$ UPDATE devices_device SET name = ''; $$ LANGUAGE sql"
)
ADD: Final = migrations.AddField
ALTER: Final = migrations.AlterField
REFUSED: Final = {
    "an index under a lock": (CONCURRENTLY, migrations.AddIndex("device", BY_NAME)),
    "an index of a column": (CONCURRENTLY, ADD("device", "x", models.TextField(null=True, db_index=True))),
    "a foreign key with an index": (
        CONCURRENTLY,
        ADD("device", "x", models.ForeignKey("devices.job", models.CASCADE, null=True)),
    ),
    "an index in SQL": (CONCURRENTLY, migrations.RunSQL("CREATE INDEX x ON devices_device (name)")),
    "uniqueness": (CONCURRENTLY, migrations.AddConstraint("device", ONE_NAME)),
    "a check of every row": (NOT_VALID, migrations.AddConstraint("device", NAMED)),
    "a stored column": (REWRITES, ADD("device", "x", STORED)),
    "another type": (REWRITES, ALTER("device", "name", models.IntegerField())),
    "a shorter text": (REWRITES, ALTER("device", "name", models.CharField(max_length=1))),
    "a column that must be filled": (
        REWRITES,
        ALTER("device", "public_address", models.GenericIPAddressField()),
    ),
    "rows in one transaction": (BATCHES, migrations.RunPython(migrations.RunPython.noop)),
    "rows in one statement": (BATCHES, migrations.RunSQL("UPDATE devices_device SET name = ''")),
    "a column that is gone": (FORMER, migrations.RemoveField("device", "name")),
    "another name": (FORMER, migrations.RenameField("device", "name", "title")),
    "a table that is gone": (FORMER, migrations.DeleteModel("mute")),
    "a column that nobody fills": (NO_DEFAULT, ADD("mute", "x", models.TextField(default=""))),
}
TAKEN: Final = {
    "a column": ADD("device", "x", models.TextField(null=True)),
    "a column with a default": ADD("device", "x", models.TextField(db_default="")),
    "a longer text": ALTER("device", "name", models.CharField(max_length=1000)),
    "an index of a small table": migrations.AddIndex("mute", BY_NAME),
    "a check of new rows": AddConstraintNotValid("device", NAMED),
    "its check of old rows": ValidateConstraint("device", "named"),
    "a function": migrations.RunSQL(FUNCTION),
    "a column taken out of the models": migrations.SeparateDatabaseAndState(
        state_operations=[migrations.RemoveField("device", "name")]
    ),
}
TAKEN_ALONE: Final = {
    "an index": AddIndexConcurrently("device", BY_NAME),
    "its removal before it": migrations.RunSQL("DROP INDEX CONCURRENTLY IF EXISTS by_name"),
    "batches": migrations.RunPython(migrations.RunPython.noop),
}


def of_devices(operations: list[Operation], *, atomic: bool = True) -> migrations.Migration:
    migration = migrations.Migration("9999_next", "devices")
    vars(migration).update(operations=operations, atomic=atomic)
    return migration


def found(operation: Operation, *, atomic: bool = True) -> list[str]:
    """What is wrong with a migration of devices that does this."""
    return careful.faults(of_devices([operation], atomic=atomic), MigrationLoader(None).project_state())


@pytest.mark.parametrize("what", REFUSED)
def test_what_stops_the_site_or_the_version_before_is_refused(what: str) -> None:
    why, operation = REFUSED[what]
    (fault,) = found(operation)
    assert fault.startswith("devices.9999_next: ")
    assert fault.endswith(f": {why}.")


@pytest.mark.parametrize("what", TAKEN)
def test_what_takes_a_moment_is_taken(what: str) -> None:
    assert found(TAKEN[what]) == []


@pytest.mark.parametrize("what", TAKEN_ALONE)
def test_indexes_and_batches_are_taken_without_a_transaction(what: str) -> None:
    assert found(TAKEN_ALONE[what], atomic=False) == []


def test_without_a_transaction_nothing_waits_for_a_table() -> None:
    (fault,) = found(TAKEN["a column"], atomic=False)
    assert fault.endswith(f": {LONG_LOCK}.")


def test_a_table_of_the_same_migration_is_empty() -> None:
    fields: list[tuple[str, models.Field[Any, Any]]] = [
        ("id", models.BigAutoField(primary_key=True)),
        ("name", models.TextField()),
    ]
    both = [migrations.CreateModel("new", fields), migrations.AddIndex("new", BY_NAME)]
    assert careful.faults(of_devices(both), MigrationLoader(None).project_state()) == []


def test_our_migrations_are_careful() -> None:
    assert list(careful.every_fault()) == []


def test_the_small_tables_are_there() -> None:
    there = MigrationLoader(None).project_state().models
    assert {(app, table) for app, tables in careful.SMALL.items() for table in tables} - set(there) == set()
