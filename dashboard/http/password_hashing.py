"""Password hashing, which is slow on purpose: few at once, and without a database connection meanwhile."""

from __future__ import annotations

import os
from typing import Final

from django.contrib.auth.hashers import PBKDF2PasswordHasher

from dashboard.http.concurrency_limits import Bound, release_connection

# At most half of the machine's processors, so that the others answer devices.
AT_ONCE: Final = max(1, min(2, (os.cpu_count() or 1) // 2))
PASSWORDS: Final = Bound(
    AT_ONCE,
    "The server is busy with other passwords",
    "It checks or stores only a few passwords at a time, because each takes up to a second. Nothing was"
    " changed, and this attempt was not counted. Go back and try again in a few seconds.",
    again=2,
)


class Hasher(PBKDF2PasswordHasher):
    """Django's hasher within the limit; every hash and comparison calls `encode`, which may raise Full."""

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        with PASSWORDS.slot():
            release_connection()
            return super().encode(password, salt, iterations)
