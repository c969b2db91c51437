"""Running the SQL script of pg_restore on a connection of ours, so that it is part of our transaction.

pg_restore itself could restore in one transaction, but not what must follow in the same one.
"""

from __future__ import annotations

from typing import IO, Any, Final

import psycopg

CHUNK: Final = 1 << 16  # bytes of rows that are sent at once
COPY: Final = (b"COPY ", b" FROM stdin;\n")  # a statement that rows follow
END: Final = b"\\.\n"  # of rows


def run(connection: psycopg.Connection[Any], script: IO[bytes]) -> None:
    """Run a script in the transaction of this connection. Raises psycopg.Error."""
    statements: list[bytes] = []
    for line in script:
        if line.startswith(COPY[0]) and line.endswith(COPY[1]):
            _execute(connection, statements)
            _copy(connection, line, script)
        elif not line.startswith(b"\\"):  # a command of psql, such as \restrict
            statements.append(line)
    _execute(connection, statements)
    connection.execute("RESET search_path")  # which such a script empties


def _execute(connection: psycopg.Connection[Any], statements: list[bytes]) -> None:
    connection.execute(b"".join(statements))
    statements.clear()


def _copy(connection: psycopg.Connection[Any], statement: bytes, script: IO[bytes]) -> None:
    """Send the rows that follow in the script."""
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        rows: list[bytes] = []
        size = 0
        for row in script:
            if row == END:
                break
            rows.append(row)
            size += len(row)
            if size > CHUNK:
                copy.write(b"".join(rows))
                rows, size = [], 0
        copy.write(b"".join(rows))
