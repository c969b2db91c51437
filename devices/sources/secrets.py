"""The token of a source: encrypted in the database, never in a message, a log or the audit log."""

from __future__ import annotations

from typing import Final

from cryptography.fernet import InvalidToken

from devices.models import Source
from fleets.access.encryption import fernet

KIND: Final = "lookout.source"
SHOWN: Final = 4  # characters at its end, by which people tell it


class Unreadable(Exception):
    """It was encrypted with another SECRET_KEY, and must be entered again."""

    def __init__(self) -> None:
        super().__init__("Its token cannot be read, since SECRET_KEY has changed. Enter it again.")


def read(source: Source) -> str:
    """The token of a source. Raises Unreadable."""
    try:
        return fernet(KIND).decrypt(source.token.encode()).decode()
    except InvalidToken as error:
        raise Unreadable from error


def write(source: Source, token: str) -> None:
    """Put the token into a source, which is not saved here, with its last characters."""
    source.token = fernet(KIND).encrypt(token.encode()).decode()
    source.token_end = token[-SHOWN:] if len(token) > 2 * SHOWN else ""
