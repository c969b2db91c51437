"""PostgreSQL's own programs pg_dump and pg_restore, of the version of the server that they talk to."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

from django.conf import settings
from django.db import connection
from psycopg.conninfo import make_conninfo

from dashboard.environment.database import read_parameters

DEBIAN: Final = "/usr/lib/postgresql/{}/bin"


class Unfit(Exception):
    """A program is missing, or failed; the text says what to do."""


def find(name: str, major: int) -> str:
    """The path of this program of PostgreSQL `major`: Debian's, that of PATH, or the embedded one's.

    Raises Unfit if none is of that version.
    """
    for found in _candidates(name, major):
        if found and _major(found) == major:
            return found
    raise Unfit(
        f"The server is PostgreSQL {major}, so {name} of PostgreSQL {major} is needed, and there is none:"
        f" install postgresql-client-{major}, or put its programs in PATH."
    )


def _candidates(name: str, major: int) -> Iterator[str | None]:
    yield shutil.which(name, path=DEBIAN.format(major))
    yield shutil.which(name)
    if settings.EMBEDDED:
        from dashboard.environment.embedded import BINARIES, find_package  # noqa: PLC0415 - an extra

        yield shutil.which(name, path=str(find_package() / BINARIES))


def _major(program: str) -> int:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    version = re.search(r"\) (\d+)", said)
    return int(version[1]) if version else 0


def dump(program: str, arguments: list[str]) -> None:
    """Run pg_dump on the site's database, as its owner. Raises Unfit with what it said."""
    parameters = owner()
    environment = os.environ | {"PGPASSWORD": str(parameters.pop("password", "") or "")}
    command = [program, "--dbname", make_conninfo(**parameters), *arguments]
    done = subprocess.run(command, env=environment, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise Unfit(f"pg_dump failed: {_first(done.stderr)}")


def owner() -> dict[str, Any]:
    """The parameters of libpq by which the owner reaches the database that Django uses."""
    parameters = read_parameters(settings.DATABASE_OWNER_URL) | {"dbname": connection.settings_dict["NAME"]}
    return {name: value for name, value in parameters.items() if value is not None}


@contextmanager
def script(program: str, directory: Path) -> Iterator[IO[bytes]]:
    """The SQL that pg_restore makes of a dump, to be read to its end. Raises Unfit if that failed."""
    command = [program, "--no-owner", "--file=-", str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            yield process.stdout
        except BaseException:
            process.kill()
            raise
        said = process.stderr.read().decode(errors="replace")
    if process.returncode:
        raise Unfit(f"pg_restore failed: {_first(said)}")


def _first(said: str) -> str:
    return next(iter(said.strip().splitlines()), "it did not say why")
