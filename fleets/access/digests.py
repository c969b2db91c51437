"""Digests of secrets, such as keys, of which only a digest is stored: HMAC-SHA-256 with a pepper.

New digests use the first pepper of `settings.KEY_PEPPER`; all of them are accepted.
"""

from __future__ import annotations

import hashlib
import hmac

from django.conf import settings


def digests(secret: str) -> list[bytes]:
    """The digests under which this secret may be stored, of 32 bytes: one per pepper, the current first."""
    return [hmac.digest(pepper.encode(), secret.encode(), hashlib.sha256) for pepper in settings.KEY_PEPPER]
