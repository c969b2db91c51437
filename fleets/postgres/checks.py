"""Checks that the database can be used: its version, writes and texts; for `check` and at each start."""

from __future__ import annotations

import logging
from typing import Any, Final

import psycopg
from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as Caution
from django.core.management.base import CommandError
from django.db import connection

from fleets.postgres.refusals import READ_ONLY, refusal

logger = logging.getLogger(__name__)

OLDEST: Final = 150000
ANOTHER = "Create another one as docs/deployment.md says (A database of your own), and load a dump into it."


def server_checks(cursor: Any) -> list[CheckMessage]:
    """Errors if the server is older than PostgreSQL 15, or the database cannot be used; and warnings."""
    cursor.execute("SELECT current_setting('server_version_num')::int, current_setting('server_version')")
    number, version = cursor.fetchone()
    if number < OLDEST:
        message = f"The database server is PostgreSQL {version.split()[0]}, and Lookout needs 15 or newer."
        return [Error(message, hint="Upgrade it, or name another one in DATABASE_URL.", id="dashboard.E001")]
    return text_checks(cursor)


def write_checks(cursor: Any) -> list[CheckMessage]:
    """An error if the server accepts no writes, as a standby."""
    cursor.execute("SELECT current_setting('transaction_read_only')")
    if cursor.fetchone() == ("off",):
        return []
    message, hint = READ_ONLY.split(". ", 1)
    return [Error(f"{message}.", hint=hint, id="dashboard.E011")]


def text_checks(cursor: Any) -> list[CheckMessage]:
    """An error if the database's encoding is not UTF-8, a warning if its locale is C; else nothing."""
    cursor.execute("SELECT current_setting('server_encoding')")
    (encoding,) = cursor.fetchone()
    if encoding != "UTF8":
        message = f"The encoding of the database is {encoding}, not UTF8, so it cannot store all texts."
        return [Error(message, hint=ANOTHER, id="dashboard.E006")]
    cursor.execute("SELECT lower('\u00c4') = '\u00e4'")
    if cursor.fetchone() == (True,):
        return []
    message = (
        "The LC_CTYPE of the database is C, so it does not know upper and lower case beyond a to z. A "
        "search finds other words only as they are written."
    )
    return [Caution(message, hint=ANOTHER, id="dashboard.W007")]


def at_start() -> None:
    """Check the database when a process starts, and log what may be wrong.

    Raises CommandError if the database cannot be used. While it is unavailable nothing is checked, as the
    process then waits for it; the log says what somebody has to do, if that is known.
    """
    try:
        name = connection.settings_dict["NAME"]
        with psycopg.connect(settings.DATABASE_DIRECT_URL, dbname=name) as opened, opened.cursor() as cursor:
            messages = server_checks(cursor)
    except psycopg.OperationalError as error:
        if known := refusal(error):
            logger.warning(known)
        return
    for message in messages:
        if message.is_serious():
            raise CommandError(f"{message.msg} {message.hint}")
        logger.warning("%s %s", message.msg, message.hint)
