"""What a migration must not do, as people and devices use the site while it runs: `make lint` asks.

Two rules. A table that grows with devices or with time is never rewritten, searched or kept locked. And the
version before works with the new tables, as its processes run until the last one is replaced.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Any, Final

import django
from django.contrib.postgres.operations import (
    AddConstraintNotValid,
    AddIndexConcurrently,
    RemoveIndexConcurrently,
    ValidateConstraint,
)
from django.db import connection, migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

# The last migration of each app from before the rules.
BEFORE: Final = {"dashboard": "0003_labels", "devices": "0014_parted_incidents", "fleets": "0006_labels"}
# Tables with few rows, each of which somebody made by hand; every other one counts as big.
SMALL: Final = {
    "dashboard": {"user"},
    "devices": {
        "alertrule",
        "alertstep",
        "alerttarget",
        "devicelink",
        "follow",
        "listener",
        "listening",
        "listeningprocess",
        "maintenancewindow",
        "mute",
        "quiethours",
        "savedview",
        "teller",
        "vpnserver",
    },
    "fleets": {"fleet", "membership", "organization"},
}
CONCURRENT: Final = (AddIndexConcurrently, RemoveIndexConcurrently)
GONE: Final = (
    migrations.RemoveField,
    migrations.RenameField,
    migrations.DeleteModel,
    migrations.RenameModel,
    migrations.AlterModelTable,
)

CONCURRENTLY: Final = "builds an index under a lock: use AddIndexConcurrently, with atomic = False"
NOT_VALID: Final = "searches the table under a lock: use AddConstraintNotValid, then ValidateConstraint"
REWRITES: Final = "rewrites or searches the table under a lock: add a column, and fill it in batches"
BATCHES: Final = "writes rows in one transaction: fill in batches, in a migration with atomic = False"
LONG_LOCK: Final = (
    "waits for a lock without a limit: only indexes and batches belong in one with atomic = False"
)
FORMER: Final = "the version before still uses it: take it out of the models now, and drop it a release later"
NO_DEFAULT: Final = "the version before does not fill it: give it null=True or a db_default"

BODIES: Final = re.compile(r"\$(\w*)\$.*?\$\1\$|--[^\n]*", re.DOTALL)
STATEMENTS: Final = {
    r"\b(UPDATE|DELETE FROM|INSERT INTO)\b": BATCHES,
    r"\bCREATE (UNIQUE )?INDEX (?!CONCURRENTLY)": CONCURRENTLY,
    r"\b(SET NOT NULL|ALTER COLUMN \S+ (SET DATA )?TYPE|GENERATED ALWAYS)\b": REWRITES,
    r"\b(CLUSTER|VACUUM FULL|LOCK TABLE)\b": REWRITES,
}


def faults(migration: migrations.Migration, before: ProjectState) -> list[str]:
    """What this migration does that it must not, a sentence for each; `before` is the state that it meets."""
    new: set[str] = set()
    found, state = [], before.clone()
    for operation in migration.operations:
        for part in _in_the_database(operation):
            if isinstance(part, migrations.CreateModel):
                new.add(part.name_lower)
                continue
            table = str(getattr(part, "model_name_lower", None) or getattr(part, "name_lower", ""))
            if table not in new and (fault := _fault(migration, part, table, state)):
                found.append(f"{migration.app_label}.{migration.name}: {part.describe()}: {fault}.")
        operation.state_forwards(migration.app_label, state)
    return found


def _in_the_database(operation: Operation) -> list[Operation]:
    if isinstance(operation, migrations.SeparateDatabaseAndState):
        return list(operation.database_operations)
    return [operation]


def _fault(migration: migrations.Migration, part: Operation, table: str, state: ProjectState) -> str:
    if isinstance(part, migrations.RunSQL):
        return _fault_of_sql(migration, str(part.sql))
    if isinstance(part, migrations.RunPython):
        return BATCHES if migration.atomic else ""
    if isinstance(part, CONCURRENT) or not part.reduces_to_sql or isinstance(part, ValidateConstraint):
        return ""
    if not migration.atomic:
        return LONG_LOCK
    if isinstance(part, GONE):
        return FORMER
    big = table not in SMALL.get(migration.app_label, set())
    if isinstance(part, migrations.AddField):
        return _fault_of_column(part.field, big=big)
    return _fault_of_change(migration.app_label, part, state) if big else ""


def _fault_of_sql(migration: migrations.Migration, sql: str) -> str:
    """Of its statements, but not of the bodies of functions that it defines."""
    text = BODIES.sub("", sql)
    if not migration.atomic:
        return (
            "" if re.search(r"\bCONCURRENTLY\b|\bUPDATE\b|\bVALIDATE\b", text, re.IGNORECASE) else LONG_LOCK
        )
    return next(
        (fault for pattern, fault in STATEMENTS.items() if re.search(pattern, text, re.IGNORECASE)), ""
    )


def _fault_of_column(field: Any, *, big: bool) -> str:
    if big and isinstance(field, models.GeneratedField):
        return REWRITES
    if big and (field.db_index or field.unique):
        return CONCURRENTLY
    fills_itself = field.null or field.has_db_default() or field.many_to_many or field.generated
    return "" if fills_itself else NO_DEFAULT


def _fault_of_change(app: str, part: Operation, state: ProjectState) -> str:
    if isinstance(part, migrations.AddIndex | migrations.AlterUniqueTogether):
        return CONCURRENTLY
    if isinstance(part, migrations.AddConstraint) and not isinstance(part, AddConstraintNotValid):
        is_check = isinstance(part.constraint, models.CheckConstraint)
        return NOT_VALID if is_check else CONCURRENTLY
    if isinstance(part, migrations.AlterField):
        after = state.clone()
        part.state_forwards(app, after)
        old, new = (
            each.apps.get_model(app, part.model_name)._meta.get_field(part.name) for each in (state, after)
        )
        return _fault_of_alteration(old, new)
    return ""


def _fault_of_alteration(old: Any, new: Any) -> str:
    if (new.db_index and not old.db_index) or (new.unique and not old.unique):
        return CONCURRENTLY
    if old.null and not new.null:
        return REWRITES
    was, becomes = old.db_parameters(connection)["type"], new.db_parameters(connection)["type"]
    return "" if was == becomes or _widens(str(was), str(becomes)) else REWRITES


def _widens(was: str, becomes: str) -> bool:
    """Whether PostgreSQL changes this type of a text without looking at the rows."""
    lengths = [re.fullmatch(r"varchar\((\d+)\)", each) for each in (was, becomes)]
    if lengths[0] and lengths[1]:
        return int(lengths[0][1]) <= int(lengths[1][1])
    return bool(lengths[0]) and becomes == "text"


def every_fault() -> Iterator[str]:
    """Of all migrations that came after the rules."""
    loader = MigrationLoader(None)
    for key in sorted(loader.graph.nodes):
        app, name = key
        if app in BEFORE and name > BEFORE[app]:
            yield from faults(loader.graph.nodes[key], loader.project_state(key, at_end=False))


if __name__ == "__main__":
    django.setup()
    if found := list(every_fault()):
        sys.exit("\n".join([*found, "CONTRIBUTING.md, Add a migration, says how else."]))
