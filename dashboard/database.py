"""Which database the site speaks to, as URLs and as Django wants them."""

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from psycopg.conninfo import conninfo_to_dict

# The embedded server's names; roles.sql makes the first two.
APPLICATION = "lookout"
OWNER = "lookout_owner"
SUPERUSER = "postgres"
DATABASE = "lookout"

LONGEST_SOCKET_PATH = 103  # bytes; macOS allows 103, Linux 107


def socket_directory(state: Path) -> Path:
    """Where clients meet the server: beside its data, or in a short temporary place."""
    beside = state.absolute() / "postgres" / "run"
    if len(os.fsencode(beside / ".s.PGSQL.5432")) <= LONGEST_SOCKET_PATH:
        return beside
    digest = hashlib.sha256(os.fsencode(beside)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"lookout-{os.getuid()}-{digest}"


def url(state: Path, role: str, database: str = DATABASE) -> str:
    """Where this role finds the embedded database."""
    return f"postgresql://{role}@/{database}?host={quote(str(socket_directory(state)), safe='')}"


def hint() -> str:
    """What to do when no database answers."""
    return (
        "The database does not answer. Without DATABASE_URL it is the embedded PostgreSQL, which"
        " runs while `make run`, `make demo` or `python -m dashboard.postgres COMMAND` does."
    )


def django_database(address: str, *, pool_size: int) -> dict[str, Any]:
    """An entry of Django's DATABASES from a PostgreSQL URL, as libpq reads it.

    Raises ValueError that does not quote the URL, which may hold a password.
    """
    try:
        parts = conninfo_to_dict(address)
    except psycopg.ProgrammingError:
        raise ValueError("A database URL must read postgresql://USER:PASSWORD@HOST:PORT/NAME") from None
    named = {key: str(parts.pop(key, "") or "") for key in ("dbname", "user", "password", "host", "port")}
    options: dict[str, Any] = dict(parts)
    if pool_size:
        options["pool"] = {"min_size": 1, "max_size": pool_size, "timeout": 5}
    return {
        "ENGINE": "django.db.backends.postgresql",
        **{("NAME" if key == "dbname" else key.upper()): value for key, value in named.items()},
        "OPTIONS": options,
        "CONN_HEALTH_CHECKS": True,
    }
