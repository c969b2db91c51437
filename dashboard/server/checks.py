"""What production needs beyond Django's own checks, each with an id and a hint."""

import logging
from collections.abc import Sequence
from typing import Any

import psycopg
from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as Caution
from django.core.management.base import CommandError
from django.db import DEFAULT_DB_ALIAS, connections
from django.db import connection as default

from devices.ingest import proxy_check

logger = logging.getLogger(__name__)

OLDEST_POSTGRESQL = 150000
ANOTHER = "Create another one as the README says (A database of your own), and load a dump into it."


@register(Tags.database)
def database_checks(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None, **kwargs: Any
) -> list[CheckMessage]:
    """The server's version and our role's rights: `check --database default`; migrate asks too."""
    messages: list[CheckMessage] = []
    for alias in databases or []:
        connection = connections[alias]
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT current_setting('server_version_num')::int, rolsuper,"
                " has_schema_privilege(current_schema(), 'CREATE')"
                " FROM pg_roles WHERE rolname = current_user"
            )
            version, superuser, creates = cursor.fetchone()
            messages += text_checks(cursor)
        if version < OLDEST_POSTGRESQL:
            messages.append(
                Error("PostgreSQL is older than 15.", hint="Move to 15 or newer.", id="dashboard.E001")
            )
        if superuser or (creates and settings.DATABASE_ROLE == "application"):
            messages.append(
                Caution(
                    "The application may change the database's schema.",
                    hint="Make the two roles of dashboard/roles.sql; DATABASE_URL names the"
                    " application's, DATABASE_OWNER_URL the owner's.",
                    id="dashboard.W002",
                )
            )
    return messages


def text_checks(cursor: Any) -> list[CheckMessage]:
    """Whether the database keeps the words of all people, and knows their letters."""
    cursor.execute("SELECT current_setting('server_encoding')")
    (encoding,) = cursor.fetchone()
    if encoding != "UTF8":
        said = (
            f"The encoding of the database is {encoding}, not UTF8: it cannot keep the words of all people."
        )
        return [Error(said, hint=ANOTHER, id="dashboard.E006")]
    cursor.execute("SELECT lower('\u00c4') = '\u00e4'")
    if cursor.fetchone() == (True,):
        return []
    said = (
        "The database does not know upper and lower case beyond a to z (its LC_CTYPE is C): a search for such"
        " words finds them only as they are written."
    )
    return [Caution(said, hint=ANOTHER, id="dashboard.W007")]


def at_start() -> None:
    """Ask the same before a process works. A database that is away is asked by nobody: it is waited for.

    Raises CommandError where the database cannot be used.
    """
    try:
        name = default.settings_dict["NAME"]
        with psycopg.connect(settings.DATABASE_DIRECT_URL, dbname=name) as opened, opened.cursor() as cursor:
            messages = text_checks(cursor)
    except psycopg.OperationalError:
        return
    for message in messages:
        if message.is_serious():
            raise CommandError(f"{message.msg} {message.hint}")
        logger.warning("%s %s", message.msg, message.hint)


@register(Tags.security, deploy=True)
def deploy_checks(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    messages: list[CheckMessage] = []
    if settings.EMBEDDED:
        messages.append(
            Caution(
                "The site runs on its embedded PostgreSQL.",
                hint="It is made for trying and testing; set DATABASE_URL.",
                id="dashboard.W003",
            )
        )
    if any(len(pepper) < 32 for pepper in settings.KEY_PEPPER):
        messages.append(
            Caution(
                "KEY_PEPPER is shorter than 32 characters.",
                hint="Stored keys are as safe as it is: prepend a longer one, keep the old one"
                " until the last key made with it is gone.",
                id="dashboard.W004",
            )
        )
    if settings.SECRET_KEY in settings.KEY_PEPPER:
        messages.append(
            Caution(
                "KEY_PEPPER and SECRET_KEY are the same.",
                hint="Who learns one should not have the other: give KEY_PEPPER its own value.",
                id="dashboard.W005",
            )
        )
    return messages


@register(Tags.database, deploy=True)
def arrival_checks(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None, **kwargs: Any
) -> list[CheckMessage]:
    """What running processes found about the proxies in front: `check --deploy --database default`."""
    if DEFAULT_DB_ALIAS not in (databases or []):
        return []
    if (
        settings.CACHES["default"]["LOCATION"]
        not in connections[DEFAULT_DB_ALIAS].introspection.table_names()
    ):
        return []  # before the first migrate
    return [
        Caution(finding.said, hint=finding.fix, id="dashboard.W010") for finding in proxy_check.findings()
    ]
