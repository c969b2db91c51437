"""What `migrate` would do to this database: which tables, who waits meanwhile, and for about how long.

Read from the SQL of the migrations, which is not run. How long it takes is estimated by the number of rows,
as the planner knows it, for a machine that does nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader

from devices import words

NOBODY: Final = "nobody reads or writes it meanwhile"
READERS: Final = "it is read, and nobody writes to it meanwhile"
EVERYBODY: Final = "everybody goes on"
# By the beginning of a statement, which names a table: who goes on meanwhile, and microseconds for each row.
KINDS: Final = (
    (r"CREATE (?:UNIQUE )?INDEX CONCURRENTLY\b.*? ON", EVERYBODY, 4.0),
    (r"CREATE (?:UNIQUE )?INDEX\b.*? ON", READERS, 2.0),
    (r"ALTER TABLE(?= \S+ VALIDATE CONSTRAINT)", EVERYBODY, 1.0),
    (r"ALTER TABLE(?= \S+ (?:ALTER COLUMN \S+ TYPE|ADD COLUMN .*GENERATED ALWAYS AS \())", NOBODY, 120.0),
    (r"ALTER TABLE(?= \S+ (?:ADD CONSTRAINT(?!.*NOT VALID)|ALTER COLUMN \S+ SET NOT NULL))", NOBODY, 1.0),
    (r"ALTER TABLE", NOBODY, 0.0),
    (r"DROP TABLE(?: IF EXISTS)?", NOBODY, 0.0),
    (r"(?:CREATE|DROP) TRIGGER\b.*? ON", READERS, 0.0),
    (r"UPDATE", EVERYBODY, 50.0),
    (r"(?:DELETE FROM|INSERT INTO)", EVERYBODY, 20.0),
)
PYTHON: Final = "THIS OPERATION CANNOT BE WRITTEN AS SQL"
CREATED: Final = re.compile(r'CREATE TABLE "?(\w+)')
# Bodies of functions, and comments, which Django writes between the statements.
ASIDE: Final = re.compile(r"\$(\w*)\$.*?\$\1\$|^--[^\n]*", re.DOTALL | re.MULTILINE)
ROWS: Final = """
SELECT COALESCE(sum(GREATEST(part.reltuples, 0)), 0)::bigint FROM pg_class part
WHERE part.relkind = 'r' AND (part.oid = to_regclass(%(table)s)
   OR part.oid IN (SELECT relid FROM pg_partition_tree(to_regclass(%(table)s))))
"""


@dataclass(frozen=True)
class Step:
    """What a migration does to a table: its rows, who goes on meanwhile, and the estimated seconds."""

    table: str
    rows: int
    meanwhile: str
    seconds: float

    def __str__(self) -> str:
        rows = words.counted(self.rows, "1 row", "{n} rows")
        return f"{self.table} ({rows}): {self.meanwhile}; about {self.seconds:,.0f} s"


@dataclass(frozen=True)
class Planned:
    """A migration that is not applied yet; `unknown`: it also does what cannot be told beforehand."""

    name: str
    steps: Sequence[Step]
    unknown: bool


def planned() -> list[Planned]:
    """The migrations that `migrate` would apply, in their order. Changes nothing."""
    executor = MigrationExecutor(connections[DEFAULT_DB_ALIAS])
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    created: set[str] = set()
    found = []
    for migration, _ in plan:
        loader = MigrationLoader(connections[DEFAULT_DB_ALIAS], replace_migrations=False)
        statements = loader.collect_sql([(migration, False)])
        created.update(name for text in statements for name in CREATED.findall(text))
        steps = list(dict.fromkeys(_steps(statements, created)))
        unknown = any(PYTHON in text for text in statements)
        found.append(Planned(f"{migration.app_label}.{migration.name}", steps, unknown))
    return found


def _steps(statements: Sequence[str], created: set[str]) -> Iterator[Step]:
    """What these statements do to tables that are there already."""
    for text in statements:
        for statement in ASIDE.sub("", text).split(";"):
            step = _step(" ".join(statement.split()), created)
            if step is not None:
                yield step


def _step(statement: str, created: set[str]) -> Step | None:
    for pattern, meanwhile, microseconds in KINDS:
        if match := re.match(rf'{pattern} (?:ONLY )?"?(?:public"?\.)?"?(\w+)', statement, re.IGNORECASE):
            table = match[1]
            if table in created:
                return None
            rows = _rows(table)
            return Step(table, rows, meanwhile, rows * microseconds / 1e6)
    return None


def _rows(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(ROWS, {"table": table})
        return int(cursor.fetchone()[0])
