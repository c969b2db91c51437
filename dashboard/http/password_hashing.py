"""Hashing passwords: slow on purpose, so few at once, and no connection to the database waits meanwhile."""

from __future__ import annotations

import os
from typing import Final

from django.contrib.auth.hashers import PBKDF2PasswordHasher

from dashboard.http.concurrency_limits import Bound, release_connection

# Half of the machine's processors at most: the others answer devices.
AT_ONCE: Final = max(1, min(2, (os.cpu_count() or 1) // 2))
PASSWORDS: Final = Bound(
    AT_ONCE,
    "The server is busy with other passwords",
    "It checks or stores only a few passwords at a time, because each takes up to a second. Nothing was"
    " changed, and this attempt was not counted. Go back and try again in a few seconds.",
    again=2,
)


class Hasher(PBKDF2PasswordHasher):
    """Django's, within the bound. Every hash and every comparison goes through `encode`. Raises Full."""

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        with PASSWORDS.slot():
            release_connection()
            return super().encode(password, salt, iterations)
