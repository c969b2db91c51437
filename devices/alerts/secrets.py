"""The secrets of targets: encrypted in the database, never in a message, a log or the audit log."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from cryptography.fernet import InvalidToken

from devices.models import AlertTarget
from fleets.access.encryption import fernet

KIND: Final = "lookout.alert-target"
SHOWN: Final = 4  # characters of the newest, by which people tell it
UNTIL: Final = "former_until"  # when the former secret of a rotation ends, in ISO form


class Unreadable(Exception):
    """They were encrypted with another SECRET_KEY, and must be entered again."""

    def __init__(self) -> None:
        super().__init__("Its secrets cannot be read, since SECRET_KEY has changed. Enter them again.")


def read(target: AlertTarget, at: datetime) -> dict[str, str]:
    """The secrets of a target by name, without a former one whose time is over. Raises Unreadable."""
    found = stored(target)
    until = found.pop(UNTIL, "")
    if until and datetime.fromisoformat(until) <= at:
        found.pop("former", None)
    return found


def stored(target: AlertTarget) -> dict[str, str]:
    """All that is kept of a target encrypted, for a change of a part of it. Raises Unreadable."""
    if not target.secrets:
        return {}
    try:
        found: dict[str, str] = json.loads(fernet(KIND).decrypt(target.secrets.encode()))
    except InvalidToken as error:
        raise Unreadable from error
    return found


def write(target: AlertTarget, values: Mapping[str, str]) -> None:
    """Put the secrets into a target, which is not saved here, with the last characters of the first one."""
    newest = next(iter(values.values()), "")
    target.secrets = fernet(KIND).encrypt(json.dumps(dict(values)).encode()).decode() if values else ""
    target.secret_end = newest[-SHOWN:] if len(newest) > 2 * SHOWN else ""
