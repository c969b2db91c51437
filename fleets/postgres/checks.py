"""Whether the database can keep the words of all people: asked by `check`, and before a process works."""

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
    """Whether the database keeps the words of all people, and knows their letters."""
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
    """Ask that before a process works. A database that is away is asked by nobody: it is waited for.

    Raises CommandError where the database cannot be used.
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
