"""The database of the site: the URLs of the embedded one, and any URL as an entry of Django's DATABASES."""

import hashlib
import os
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

# Roles and database of the embedded server; roles.sql creates the first two roles.
APPLICATION = "lookout"
OWNER = "lookout_owner"
SUPERUSER = "postgres"
DATABASE = "lookout"

# libpq's parameters of every connection, so that a lost server or network is noticed within seconds, also by
# connections that wait for no answer. In seconds, but for tcp_user_timeout, which is in milliseconds.
TIME_LIMITS = {
    "connect_timeout": 5,  # for each host
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 5,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}
# Environment variables by which libpq sets the format of times and texts for each session, whatever the
# server, the database or the role has set: psycopg reads times in the style ISO only. Every PgBouncer
# accepts these, unlike the parameter `options`.
SESSION = {"PGDATESTYLE": "ISO, MDY", "PGTZ": "UTC", "PGCLIENTENCODING": "UTF8"}

# A pool tries to connect for this long, and again when the next connection is requested. With psycopg's
# default it would wait longer after each attempt, up to minutes after the database is back.
POOL_PATIENCE = 5.0  # seconds

LONGEST_SOCKET_PATH = 103  # bytes; macOS allows 103, Linux 107


def closed(path: Path) -> bool:
    """Whether other users than owner and group cannot reach this path, because of a directory above it."""
    parents = path.resolve().parents
    return any(not parent.stat().st_mode & stat.S_IXOTH for parent in parents if parent.exists())


def socket_directory(state: Path) -> Path:
    """The directory of the embedded server's Unix socket: beside its data in `state` if that is possible.

    It is a temporary directory if the path would be too long for a socket, or, when this process runs as
    root, if the server, which runs as another user, could not reach it.
    """
    beside = state.absolute() / "postgres" / "run"
    fits = len(os.fsencode(beside / ".s.PGSQL.5432")) <= LONGEST_SOCKET_PATH
    if fits and not (os.geteuid() == 0 and closed(beside)):
        return beside
    digest = hashlib.sha256(os.fsencode(beside)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"lookout-{os.getuid()}-{digest}"


def url(state: Path, role: str, database: str = DATABASE) -> str:
    """The URL of the embedded database whose data is in `state`, for this role."""
    return f"postgresql://{role}@/{database}?host={quote(str(socket_directory(state)), safe='')}"


def hint() -> str:
    """A sentence for errors that tells what to do when no database answers."""
    return (
        "The database does not answer. Without DATABASE_URL it is the embedded PostgreSQL, which"
        " runs while `make run`, `make demo` or `python -m dashboard.postgres COMMAND` does."
    )


def read_parameters(address: str) -> dict[str, Any]:
    """The parameters of libpq in a PostgreSQL URL, and TIME_LIMITS where the URL has no other.

    Raises ValueError if it cannot be read; the message does not quote the URL, which may have a password.
    """
    try:
        return TIME_LIMITS | conninfo_to_dict(address)
    except psycopg.ProgrammingError:
        raise ValueError("A database URL must read postgresql://USER:PASSWORD@HOST:PORT/NAME") from None


def conninfo(address: str) -> str:
    """A PostgreSQL URL with TIME_LIMITS as a connection string of libpq, for connections without Django.

    Raises ValueError if the URL cannot be read.
    """
    return make_conninfo(**read_parameters(address))


def pool_timeout(parameters: Mapping[str, Any]) -> float:
    """Seconds that a request waits at most for a connection of a pool with these parameters of libpq.

    Of several hosts all but the last may be down, and each of them takes its whole connect_timeout.
    """
    before = str(parameters.get("host") or parameters.get("hostaddr") or "").count(",")
    return POOL_PATIENCE + before * float(parameters["connect_timeout"])


def django_database(address: str, *, pool_size: int) -> dict[str, Any]:
    """An entry of Django's DATABASES for a PostgreSQL URL.

    `pool_size` is the most connections that the process keeps; 0: no pool. Raises ValueError if the URL
    cannot be read.
    """
    parameters = read_parameters(address)
    timeout = pool_timeout(parameters)
    named = {
        key: str(parameters.pop(key, "") or "") for key in ("dbname", "user", "password", "host", "port")
    }
    options: dict[str, Any] = dict(parameters)
    if pool_size:
        options["pool"] = {
            "min_size": 1,
            "max_size": pool_size,
            "timeout": timeout,
            "reconnect_timeout": POOL_PATIENCE,
        }
    return {
        "ENGINE": "django.db.backends.postgresql",
        **{("NAME" if key == "dbname" else key.upper()): value for key, value in named.items()},
        "OPTIONS": options,
        "CONN_HEALTH_CHECKS": True,
    }
