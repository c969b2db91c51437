"""Checks that the database can store and search texts of every language, for `check` and at each start."""

from __future__ import annotations

import logging
from typing import Any

import psycopg
from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as Caution
from django.core.management.base import CommandError
from django.db import connection

logger = logging.getLogger(__name__)

ANOTHER = "Create another one as docs/deployment.md says (A database of your own), and load a dump into it."


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

    Raises CommandError if the database cannot be used. Nothing is checked while it is unavailable, as the
    process then waits for it.
    """
    try:
        name = connection.settings_dict["NAME"]
        with psycopg.connect(settings.DATABASE_DIRECT_URL, dbname=name) as opened, opened.cursor() as cursor:
            messages = text_checks(cursor)
    except psycopg.OperationalError:
        return
    for message in messages:
        if message.is_serious():
            raise CommandError(f"{message.msg} {message.hint}")
        logger.warning("%s %s", message.msg, message.hint)
