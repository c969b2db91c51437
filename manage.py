#!/usr/bin/env python
"""Django's command line. Commands of OWNERS run as the database's owner, all else as the application."""

import os
import sys

from django.core.management import execute_from_command_line
from django.db import DatabaseError, OperationalError

from dashboard.environment import database
from fleets.postgres.refusals import refusal

OWNERS = ("migrate", "backup", "restore")


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
    if sys.argv[1:2] and sys.argv[1] in OWNERS:
        os.environ.setdefault("DATABASE_ROLE", "owner")
    try:
        execute_from_command_line(sys.argv)
    except DatabaseError as error:
        if why := refusal(error) or (database.hint() if isinstance(error, OperationalError) else ""):
            raise SystemExit(f"{error}\n{why}") from error
        raise


if __name__ == "__main__":
    main()
