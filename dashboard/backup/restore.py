"""Restoring a backup into an empty database: whole, in one transaction, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import psycopg
from django.conf import settings
from django.db import connection, transaction
from psycopg import sql

from dashboard.backup import dump, manifest, programs, replay
from dashboard.backup.manifest import DUMP, Manifest
from devices import clock
from devices.alerts import targets
from devices.history import rollups
from devices.integrity import counters
from devices.metrics import readiness
from devices.models import AlertTarget
from fleets.postgres.checks import server_checks, write_checks

RELATIONS: Final = """
SELECT count(*) FROM pg_class
WHERE relkind IN ('r', 'p', 'v', 'm', 'S') AND relnamespace::regnamespace::text NOT LIKE 'pg\\_%%'
  AND relnamespace <> 'information_schema'::regnamespace
  AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_class.oid AND deptype = 'e')
"""
MISSING_ROLES: Final = (
    "SELECT name FROM unnest(%s::text[]) AS name WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)"
)
# What new objects of this role grant by themselves, by kind and role.
GRANTED: Final = """
SELECT CASE defaclobjtype WHEN 'r' THEN 'TABLES' ELSE 'SEQUENCES' END, pg_get_userbyid(granted.grantee),
       string_agg(granted.privilege_type, ', ')
FROM pg_default_acl, aclexplode(defaclacl) AS granted
WHERE pg_get_userbyid(defaclrole) = current_user AND defaclobjtype IN ('r', 'S') AND defaclnamespace = 0
  AND granted.grantee NOT IN (0, defaclrole)
GROUP BY 1, 2
"""


class Refused(Exception):
    """A backup that is not restored; the text says why, and what to do. Nothing was changed."""


def restore(directory: Path) -> Manifest:
    """Restore the backup in this directory into the database, as its owner.

    Counters and rollups are computed anew, and targets of alerts are paused. The outage ledger is that of the
    backup, so the first liveness sign closes an outage that began with the last one before the backup.
    Raises Refused, manifest.Damaged, programs.Unfit and a database's errors; then the database is as it was.
    """
    kept = manifest.read(directory)
    _check_program(kept)
    manifest.check_files(directory, kept)
    connection.ensure_connection()
    raw: psycopg.Connection[Any] = connection.connection
    _check_server(raw, kept)
    program = programs.find("pg_restore", raw.info.server_version // 10000)
    with transaction.atomic():
        with _granting_nothing(raw), programs.script(program, directory / DUMP) as script:
            replay.run(raw, script)
        if dump.counted(raw) != kept.rows:
            raise Refused("Not all rows were restored, so none are: the backup is damaged. Take another one.")
        _finish(clock.now())
    return kept


def _check_program(kept: Manifest) -> None:
    """Raise Refused unless this program can read what the backup has: its schema, its keys, its secrets."""
    if set(kept.migrations) != readiness.newest_migrations():
        raise Refused(
            f"The backup is of Lookout {kept.version}, which has other migrations than this program"
            f" ({settings.VERSION}). Restore it with the version that took it, then upgrade."
        )
    if set(kept.peppers) - set(manifest.peppers()):
        raise Refused(
            "The backup was taken with another KEY_PEPPER, so no key of a device would be accepted."
            " Set the KEY_PEPPER that the site had."
        )
    if kept.secret_keys[0] not in manifest.secret_keys():
        raise Refused(
            "The backup was taken with another SECRET_KEY, so second factors and the secrets of targets could"
            " not be read. Set the SECRET_KEY that the site had, or add it to SECRET_KEY_FALLBACKS."
        )


def _check_server(raw: psycopg.Connection[Any], kept: Manifest) -> None:
    """Raise Refused unless the database is empty, and its server can hold what the backup has."""
    if raw.info.server_version // 10000 < kept.postgresql:
        raise Refused(
            f"The backup is of PostgreSQL {kept.postgresql}, and this server is older."
            f" Restore it on PostgreSQL {kept.postgresql} or newer."
        )
    with connection.cursor() as cursor:
        for message in (*server_checks(cursor), *write_checks(cursor)):
            if message.is_serious():
                raise Refused(f"{message.msg} {message.hint}")
        cursor.execute(MISSING_ROLES, [kept.roles])
        if missing := [name for (name,) in cursor.fetchall()]:
            raise Refused(
                f"The server has no role {missing[0]}. Run dashboard/roles.sql as docs/deployment.md says."
            )
        cursor.execute(RELATIONS)
        if cursor.fetchone() != (0,):
            raise Refused("The database is not empty. Create a new one, and name it in DATABASE_OWNER_URL.")


@contextmanager
def _granting_nothing(raw: psycopg.Connection[Any]) -> Iterator[None]:
    """Let new objects grant nothing by themselves during this block: a dump has all rights that they need.

    It cannot take away what it did not grant, as that nobody may change the audit log.
    """
    granted = raw.execute(GRANTED).fetchall()
    for kind, role, _ in granted:
        raw.execute(_defaults("REVOKE ALL ON {} FROM {}", kind, role))
    yield
    for kind, role, privileges in granted:
        raw.execute(_defaults(f"GRANT {privileges} ON {{}} TO {{}}", kind, role))


def _defaults(change: str, kind: str, role: str) -> sql.Composed:
    return sql.SQL("ALTER DEFAULT PRIVILEGES " + change).format(sql.SQL(kind), sql.Identifier(role))


def _finish(at: datetime) -> None:
    """Compute anew what a backup does not have, and pause the targets of alerts."""
    counters.recount()
    rollups.rebuild(at)
    for target in AlertTarget.objects.filter(enabled=True).exclude(kind=AlertTarget.Kind.PAGE):
        targets.pause(target=target, actor=None, at=at)
