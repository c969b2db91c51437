"""What a database is built of, as its catalogues tell: alike for two databases that are built alike."""

from __future__ import annotations

import re
from typing import Any, Final

import psycopg

# What differs where an expression is written again, as from a dump: casts of constants, and parentheses.
WRITTEN: Final = re.compile(r"::(?:text|character varying)(?:\[\])?|[()]")
MONTH: Final = re.compile(r"_[0-9]{4}_[0-9]{2}(?![0-9])")  # of a partition, which depend on when it was made

PARTS: Final = {
    "tables": """
        SELECT relname, relkind, reloptions, pg_get_partkeydef(oid),
               CASE WHEN relname ~ '_[0-9]{4}_[0-9]{2}$' THEN 'a month'
                    ELSE pg_get_expr(relpartbound, oid) END
        FROM pg_class WHERE relkind IN ('r', 'p', 'S', 'v') AND relnamespace = 'public'::regnamespace""",
    "columns": """
        SELECT relname, attname, format_type(atttypid, atttypmod), attnotnull, attidentity, attgenerated,
               attcollation::regcollation, pg_get_expr(adbin, adrelid)
        FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
        LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        WHERE relkind IN ('r', 'p') AND attnum > 0 AND NOT attisdropped
          AND relnamespace = 'public'::regnamespace""",
    # PostgreSQL 18 has one too for each column that is not null, which is told with the columns.
    "constraints": """
        SELECT relname, conname, condeferrable, condeferred, pg_get_constraintdef(pg_constraint.oid)
        FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid
        WHERE contype <> 'n' AND relnamespace = 'public'::regnamespace""",
    "indexes": """
        SELECT relname, pg_get_indexdef(indexrelid), indisvalid
        FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
        WHERE relnamespace = 'public'::regnamespace""",
    "triggers": """
        SELECT relname, tgname, tgenabled, pg_get_triggerdef(pg_trigger.oid),
               obj_description(pg_trigger.oid, 'pg_trigger')
        FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
        WHERE NOT tgisinternal AND relnamespace = 'public'::regnamespace""",
    "functions": """
        SELECT pg_get_functiondef(oid), proacl::text
        FROM pg_proc WHERE pronamespace = 'public'::regnamespace""",
    "types": """
        SELECT typname, rank() OVER (PARTITION BY enumtypid ORDER BY enumsortorder), enumlabel
        FROM pg_enum JOIN pg_type ON pg_type.oid = enumtypid""",
    "rights": """
        SELECT relname, grantee::regrole, privilege_type
        FROM pg_class, aclexplode(relacl)
        WHERE relkind IN ('r', 'p', 'S') AND relnamespace = 'public'::regnamespace""",
}


def schema(database: psycopg.Connection[Any], part: str) -> set[str]:
    """This part of it, a line for each thing: months all alike, and no order of columns."""
    written = part in {"columns", "constraints", "indexes"}
    lines = (
        " | ".join("" if each is None else str(each) for each in row) for row in database.execute(PARTS[part])
    )
    return {MONTH.sub("_MONTH", WRITTEN.sub("", line) if written else line) for line in lines}
