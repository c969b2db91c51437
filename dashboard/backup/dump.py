"""Taking a backup: one snapshot of the database, dumped by pg_dump, and counted for the manifest."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Final

import psycopg
from django.conf import settings

from dashboard.backup import manifest, programs
from dashboard.backup.manifest import DUMP, Manifest
from devices.metrics import readiness

# Tables whose rows are not kept: what is counted again from the changes, sessions of people and of
# processes, and rate limits.
LEFT_OUT: Final = (
    *("devices_fleetcount", "devices_fleettally", "devices_listeningprocess"),
    *("django_session", "usersessions_usersession", "dashboard_shared"),
)
TABLES: Final = """
SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
AND relname <> ALL (%s) ORDER BY relname
"""
ROLES: Final = """
SELECT DISTINCT pg_get_userbyid(granted.grantee) AS name FROM pg_class, aclexplode(relacl) AS granted
WHERE relnamespace = 'public'::regnamespace AND granted.grantee NOT IN (0, relowner) ORDER BY name
"""


class Refused(Exception):
    """A backup that is not taken; the text says why, and what to do."""


def take(directory: Path) -> Manifest:
    """Write a backup to this directory, which must not exist: it is there once it is whole.

    Raises Refused, and programs.Unfit.
    """
    if directory.exists():
        raise Refused(f"{directory} exists. Name a directory that does not.")
    if missing := readiness.missing_migrations():
        raise Refused(f"The database lacks migrations ({', '.join(missing)}). Run manage.py migrate first.")
    draft = directory.with_name(f".{directory.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True, mode=0o700)
    with psycopg.connect(**programs.owner()) as snapshot:
        snapshot.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        written = _write(draft, snapshot)
    draft.rename(directory)
    return written


def _write(draft: Path, snapshot: psycopg.Connection[Any]) -> Manifest:
    """Dump and count what is in this snapshot."""
    (name,) = snapshot.execute("SELECT pg_export_snapshot()").fetchone() or ("",)
    (taken_at,) = snapshot.execute("SELECT CURRENT_TIMESTAMP").fetchone() or (None,)
    major = snapshot.info.server_version // 10000
    left_out = [f"--exclude-table-data=public.{table}" for table in LEFT_OUT]
    wanted = ["--format=directory", f"--file={draft / DUMP}", f"--snapshot={name}", *left_out]
    programs.dump(programs.find("pg_dump", major), wanted)
    written = Manifest(
        version=settings.VERSION,
        taken_at=f"{taken_at:%Y-%m-%d %H:%M:%S} UTC",
        postgresql=major,
        migrations=sorted(readiness.newest_migrations()),
        roles=[role for (role,) in snapshot.execute(ROLES)],
        rows=counted(snapshot),
        peppers=manifest.peppers(),
        secret_keys=manifest.secret_keys(),
        files=manifest.files(draft / DUMP),
    )
    manifest.write(draft, written)
    return written


def counted(connection: psycopg.Connection[Any]) -> dict[str, int]:
    """The number of rows of each table that a backup keeps."""
    rows: dict[str, int] = {}
    for (table,) in connection.execute(TABLES, [list(LEFT_OUT)]).fetchall():
        (rows[table],) = connection.execute(f'SELECT count(*) FROM "{table}"').fetchone() or (0,)
    return rows
