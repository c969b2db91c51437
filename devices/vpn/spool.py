"""What the site has yet to hear of each client, on disk: the last wanted state, not every event.

    wanted/NAME   written by the hook
    taken/NAME    on its way from there to
    sending/NAME  what is sent until the site has it; only the watcher writes here
    boot          the life of the server that the site was last told of

Everything moves by renaming. The watcher may be killed anywhere and goes on from what it finds; the
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
    """A client's tunnel came up, or went."""

    connected: bool
    session: str  # START-PORT as of the connect, both numbers; "" for a disconnect: whichever it is

    def merged_with(self, newer: Note) -> Note:
        """This note and what happened after it as one: what the site has to hear to end up right.

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
        """None: nothing that the hook writes."""
        match = NOTE.fullmatch(text)
        return Note(match[1] == "connect", match[2].replace("any", "")) if match else None

    def __str__(self) -> str:
        return f"{'connect' if self.connected else 'disconnect'} {self.session or 'any'}\n"


class Spool:
    """Every method but the constructor and reading `boot` raises OSError where the disk does not do it."""

    def __init__(self, directory: Path) -> None:
        self._wanted, self._taken, self._sending = (
            directory / name for name in ("wanted", "taken", "sending")
        )
        self._boot = directory / "boot"
        with suppress(OSError):
            self._create()

    @property
    def boot(self) -> str:
        """Empty where none can be read."""
        try:
            return self._boot.read_text()
        except (OSError, UnicodeError):
            return ""

    @boot.setter
    def boot(self, boot: str) -> None:
        if boot != self.boot:
            self._boot.write_text(boot)

    def pending(self) -> dict[str, Note]:
        """What the site has yet to hear, by common name."""
        self._create()
        for name in [*_names(self._taken), *_names(self._wanted)]:
            self._take(name)
        notes = {name: _read(self._sending / name) for name in _names(self._sending)}
        return {name: note for name, note in notes.items() if note}

    def sent(self, names: Iterable[str]) -> None:
        """The site has heard these."""
        for name in names:
            (self._sending / name).unlink()

    def _create(self) -> None:
        for folder in (self._wanted, self._taken, self._sending):
            folder.mkdir(parents=True, exist_ok=True)

    def _take(self, name: str) -> None:
        """Bring what the hook noted to what is being sent. Doing it twice is as good as once."""
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
    """The notes in it, but not those half written."""
    return [path.name for path in directory.iterdir() if not path.name.startswith(".")]


def _read(path: Path) -> Note | None:
    try:
        return Note.parse(path.read_text())
    except (FileNotFoundError, UnicodeError):
        return None
