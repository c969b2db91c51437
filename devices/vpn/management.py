"""A client of OpenVPN's management interface: the server's process life, and its connected clients."""

from __future__ import annotations

import re
import socket
from typing import TextIO

ANSWER_WITHIN = 5.0  # seconds
PROMPT = "ENTER PASSWORD:"  # precedes the first line of an answer, without a line break


class Management:
    """A connection to the management interface, opened by the first command, and again after an error.

    Its methods raise OSError while the server does not answer.
    """

    def __init__(self, address: str, password: str = "") -> None:
        """`address` is the path of a unix socket, or HOST:PORT."""
        self._address = address
        self._password = password
        self._connection: socket.socket | None = None
        self._lines: TextIO | None = None

    def boot(self) -> str:
        """The name of the server's process life: its process id, and when it began to serve.

        A restart from within (SIGHUP, SIGUSR1) drops all tunnels as well, so it begins another life.
        """
        pid = self._ask("pid", "SUCCESS: pid=")[-1].partition("=")[2]
        began, state, *_ = *self._ask("state", "END")[0].split(","), ""
        if state != "CONNECTED":
            raise ConnectionError(f"the server is not serving yet: {state}")
        return f"{pid}-{began}"

    def clients(self) -> set[str]:
        """The common names of all connected clients."""
        return clients(self._ask("status 3", "END"))

    def close(self) -> None:
        for closable in (self._lines, self._connection):
            if closable:
                closable.close()
        self._connection = self._lines = None

    def _ask(self, command: str, last: str) -> list[str]:
        """The lines of the answer up to the one that begins with `last`."""
        try:
            if self._connection is None:
                self._connection = _connect(self._address)
                self._lines = self._connection.makefile(encoding="utf-8", errors="replace")
                if self._password:
                    self._connection.sendall(f"{self._password}\n".encode())
            self._connection.sendall(f"{command}\n".encode())
            return self._answer(last)
        except OSError:
            self.close()
            raise

    def _answer(self, last: str) -> list[str]:
        assert self._lines
        lines = []
        for prompted in self._lines:
            line = prompted.removeprefix(PROMPT)
            if line.startswith("ERROR:"):
                raise ConnectionError(line.strip())
            if not line.startswith(">"):  # a notification
                lines.append(line.rstrip())
            if line.startswith(last):
                return lines
        raise ConnectionError("it closed the connection")


def clients(status: list[str]) -> set[str]:
    """The common names in an answer to `status 3`; a client that is still connecting has none yet."""
    rows = (line.split("\t") for line in status)
    return {row[1] for row in rows if row[0] == "CLIENT_LIST" and len(row) > 1} - {"", "UNDEF"}


def _connect(address: str) -> socket.socket:
    if tcp := re.fullmatch(r"(.+):([0-9]+)", address):
        return socket.create_connection((tcp[1], int(tcp[2])), ANSWER_WITHIN)
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(ANSWER_WITHIN)
        connection.connect(address)
    except OSError:
        connection.close()
        raise
    return connection
