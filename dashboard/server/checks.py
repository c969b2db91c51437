"""Django system checks for what production requires, each with an id and a hint."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Tags, register
from django.core.checks import Warning as Caution
from django.db import DEFAULT_DB_ALIAS, connections

from devices.ingest import proxy_check
from fleets.postgres.checks import server_checks, write_checks


@register(Tags.database)
def database_checks(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Check the server's version and the role's privileges: `check --database default`, and `migrate`."""
    messages: list[CheckMessage] = []
    for alias in databases or []:
        connection = connections[alias]
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT rolsuper, has_schema_privilege(current_schema(), 'CREATE')"
                " FROM pg_roles WHERE rolname = current_user"
            )
            superuser, creates = cursor.fetchone()
            messages += server_checks(cursor) + write_checks(cursor)
        if superuser or (creates and settings.DATABASE_ROLE == "application"):
            messages.append(
                Caution(
                    "The application may change the database's schema.",
                    hint="Create the two roles of dashboard/roles.sql. DATABASE_URL names the"
                    " application's, DATABASE_OWNER_URL the owner's.",
                    id="dashboard.W002",
                )
            )
    return messages


@register(Tags.security, deploy=True)
def deploy_checks(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    messages: list[CheckMessage] = []
    if settings.EMBEDDED:
        messages.append(
            Caution(
                "The site runs on its embedded PostgreSQL.",
                hint="It is meant for trying and testing. Set DATABASE_URL.",
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
    """Report what running processes found about proxies: `check --deploy --database default`."""
    if DEFAULT_DB_ALIAS not in (databases or []):
        return []
    if (
        settings.CACHES["default"]["LOCATION"]
        not in connections[DEFAULT_DB_ALIAS].introspection.table_names()
    ):
        return []  # before the first migrate
    return [
        Caution(finding.summary, hint=finding.fix, id="dashboard.W010") for finding in proxy_check.findings()
    ]
