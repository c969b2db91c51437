"""OpenVPN's management interface: which life of the server this is, and who is connected."""

from __future__ import annotations

import contextlib
import re
import socket
from typing import IO

ANSWER_WITHIN = 5.0  # seconds


class Management:
    """Connected when first asked, and again after it broke. Raises OSError while it does not answer."""

    def __init__(self, address: str, password: str = "") -> None:
        """`address` is the path of a unix socket, or HOST:PORT."""
        self._address = address
        self._password = password
        self._stream: IO[str] | None = None

    def boot(self) -> str:
        """Names the life of the server: its process, and when that began to serve.

        A restart from within (SIGHUP, SIGUSR1) drops all tunnels as well, so it begins another life.
        """
        pid = self._ask("pid", "SUCCESS: pid=")[-1].partition("=")[2]
        began, state, *_ = self._ask("state", "END")[0].split(",")
        if state != "CONNECTED":
            raise ConnectionError(f"the server is not serving yet: {state}")
        return f"{pid}-{began}"

    def clients(self) -> set[str]:
        """The common names of all who are connected."""
        return clients(self._ask("status 3", "END"))

    def close(self) -> None:
        if self._stream:
            with contextlib.suppress(OSError):
                self._stream.close()
            self._stream = None

    def _ask(self, command: str, last: str) -> list[str]:
        """The lines of the answer up to the one that begins with `last`."""
        try:
            if self._stream is None:
                self._stream = _connect(self._address)
                self._say(self._password) if self._password else None
            self._say(command)
            return self._answer(last)
        except OSError:
            self.close()
            raise

    def _say(self, line: str) -> None:
        assert self._stream
        self._stream.write(f"{line}\n")
        self._stream.flush()

    def _answer(self, last: str) -> list[str]:
        assert self._stream
        lines = []
        for line in self._stream:
            if line.startswith("ERROR:"):
                raise ConnectionError(line.strip())
            if not line.startswith(">"):  # what it says unasked
                lines.append(line.rstrip())
            if line.startswith(last):
                return lines
        raise ConnectionError("it hung up")


def clients(status: list[str]) -> set[str]:
    """The common names in an answer to `status 3`; who is still shaking hands has none yet."""
    rows = (line.split("\t") for line in status)
    return {row[1] for row in rows if row[0] == "CLIENT_LIST" and len(row) > 1} - {"", "UNDEF"}


def _connect(address: str) -> IO[str]:
    tcp = re.fullmatch(r"(.+):([0-9]+)", address)
    if tcp:
        connection = socket.create_connection((tcp[1], int(tcp[2])), ANSWER_WITHIN)
    else:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(ANSWER_WITHIN)
    with connection:  # the stream keeps it open
        if not tcp:
            connection.connect(address)
        return connection.makefile("rw", encoding="utf-8", errors="replace", newline=None)
