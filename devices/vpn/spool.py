"""The spool: notes on disk of what is to be sent to the site about each client, its last event only.

    wanted/NAME   a note that the hook wrote
    taken/NAME    a note that is being moved from wanted/ to sending/
    sending/NAME  a note that is sent until the site accepts it; only the watcher writes here
    boot          the process life of the server that was last reported to the site

Files are moved by renaming. The watcher may be killed at any moment, and continues from what it finds; the
hook never waits for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

NOTE = re.compile(r"(connect|disconnect) ([0-9]+-[0-9]+|any)\n")


@dataclass(frozen=True)
class Note:
    """An event of a client: its tunnel came up, or went."""

    connected: bool
    session: str  # START-PORT of the connect, two numbers; empty for a disconnect: of any session

    def merged_with(self, newer: Note) -> Note:
        """One note that has the effect of this note and then `newer`.

        >>> Note(True, "7-1194").merged_with(Note(False, "5-1194"))  # a late disconnect of another session
        Note(connected=True, session='7-1194')
        >>> Note(True, "7-1194").merged_with(Note(False, "7-1194"))  # of a session the site never heard of
        Note(connected=False, session='')
        """
        if newer.connected or not newer.session:
            return newer
        if self.connected:
            return Note(False, "") if self.session == newer.session else self
        return newer if self.session and self._start() <= newer._start() else self

    def _start(self) -> int:
        return int(self.session.partition("-")[0])

    @classmethod
    def parse(cls, text: str) -> Note | None:
        """The note of a file's text; None: the text is not a note."""
        match = NOTE.fullmatch(text)
        return Note(match[1] == "connect", match[2].replace("any", "")) if match else None

    def __str__(self) -> str:
        return f"{'connect' if self.connected else 'disconnect'} {self.session or 'any'}\n"


class Spool:
    """The notes in a directory. Its methods, but not the constructor, raise OSError where the disk fails."""

    def __init__(self, directory: Path) -> None:
        self._wanted, self._taken, self._sending = (
            directory / name for name in ("wanted", "taken", "sending")
        )
        self._boot = directory / "boot"
        with suppress(OSError):
            self._create()

    @property
    def boot(self) -> str:
        """The process life that was last reported to the site; empty where none can be read."""
        try:
            return self._boot.read_text()
        except (OSError, UnicodeError):
            return ""

    @boot.setter
    def boot(self, boot: str) -> None:
        if boot != self.boot:
            self._boot.write_text(boot)

    def pending(self) -> dict[str, Note]:
        """The notes that the site has not accepted yet, by common name."""
        self._create()
        for name in [*_names(self._taken), *_names(self._wanted)]:
            self._take(name)
        notes = {name: _read(self._sending / name) for name in _names(self._sending)}
        return {name: note for name, note in notes.items() if note}

    def sent(self, names: Iterable[str]) -> None:
        """Delete the notes of these clients, which the site has accepted."""
        for name in names:
            (self._sending / name).unlink()

    def _create(self) -> None:
        for folder in (self._wanted, self._taken, self._sending):
            folder.mkdir(parents=True, exist_ok=True)

    def _take(self, name: str) -> None:
        """Merge the hook's note of a client into the one that is being sent. Idempotent."""
        taken, sending = self._taken / name, self._sending / name
        if not taken.exists():
            (self._wanted / name).rename(taken)
        older, newer = _read(sending), _read(taken)
        if newer:
            draft = self._sending / f".{name}"
            draft.write_text(str(older.merged_with(newer) if older else newer))
            draft.replace(sending)
        taken.unlink()


def _names(directory: Path) -> list[str]:
    """The names of the notes in a directory, without those half written."""
    return [path.name for path in directory.iterdir() if not path.name.startswith(".")]


def _read(path: Path) -> Note | None:
    try:
        return Note.parse(path.read_text())
    except (FileNotFoundError, UnicodeError):
        return None
