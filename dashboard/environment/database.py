"""Which database the site speaks to, as URLs and as Django wants them."""

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

# The embedded server's names; roles.sql makes the first two.
APPLICATION = "lookout"
OWNER = "lookout_owner"
SUPERUSER = "postgres"
DATABASE = "lookout"

# libpq's parameters of every connection: a server or a cable that is gone is noticed within seconds, by who
# waits for it and by who does not (milliseconds for tcp_user_timeout, else seconds).
TIME_LIMITS = {
    "connect_timeout": 5,  # for each host
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 5,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}
# How each session writes times and texts, whatever the server, the database or the role says: psycopg reads
# times in the style ISO only. libpq takes these from the environment. Unlike the parameter `options`, every
# PgBouncer accepts them.
SESSION = {"PGDATESTYLE": "ISO, MDY", "PGTZ": "UTC", "PGCLIENTENCODING": "UTF8"}

# A pool tries to connect for this long; then the next one who asks it begins anew. By itself it would wait
# longer and longer, up to minutes after the database is back. Who asks waits as long, see `patience`.
POOL_PATIENCE = 5.0  # seconds

LONGEST_SOCKET_PATH = 103  # bytes; macOS allows 103, Linux 107


def closed(path: Path) -> bool:
    """Whether a directory on the way to this path lets only its owner or group pass."""
    ways = path.resolve().parents
    return any(not way.stat().st_mode & stat.S_IXOTH for way in ways if way.exists())


def socket_directory(state: Path) -> Path:
    """Where clients meet the server: beside its data, or in a temporary place that is short and open.

    Where we are root the server is another user, who does not come through closed directories.
    """
    beside = state.absolute() / "postgres" / "run"
    fits = len(os.fsencode(beside / ".s.PGSQL.5432")) <= LONGEST_SOCKET_PATH
    if fits and not (os.geteuid() == 0 and closed(beside)):
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


def read_parameters(address: str) -> dict[str, Any]:
    """What libpq reads from a PostgreSQL URL, with the time limits it does not set itself.

    Raises ValueError that does not quote the URL, which may hold a password.
    """
    try:
        return TIME_LIMITS | conninfo_to_dict(address)
    except psycopg.ProgrammingError:
        raise ValueError("A database URL must read postgresql://USER:PASSWORD@HOST:PORT/NAME") from None


def conninfo(address: str) -> str:
    """The same as a connection string, for connections that are not Django's. Raises ValueError."""
    return make_conninfo(**read_parameters(address))


def patience(parameters: Mapping[str, Any]) -> float:
    """Seconds that whoever asks a pool waits for a connection with these parameters.

    Of several hosts all but the last may be gone, and each that is takes its whole connect_timeout.
    """
    before = str(parameters.get("host") or parameters.get("hostaddr") or "").count(",")
    return POOL_PATIENCE + before * float(parameters["connect_timeout"])


def django_database(address: str, *, pool_size: int) -> dict[str, Any]:
    """An entry of Django's DATABASES from a PostgreSQL URL, as libpq reads it. Raises ValueError."""
    parameters = read_parameters(address)
    waits = patience(parameters)
    named = {
        key: str(parameters.pop(key, "") or "") for key in ("dbname", "user", "password", "host", "port")
    }
    options: dict[str, Any] = dict(parameters)
    if pool_size:
        options["pool"] = {
            "min_size": 1,
            "max_size": pool_size,
            "timeout": waits,
            "reconnect_timeout": POOL_PATIENCE,
        }
    return {
        "ENGINE": "django.db.backends.postgresql",
        **{("NAME" if key == "dbname" else key.upper()): value for key, value in named.items()},
        "OPTIONS": options,
        "CONN_HEALTH_CHECKS": True,
    }
