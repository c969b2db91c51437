"""Digests of secrets, such as keys, of which only a digest is stored: HMAC-SHA-256 with a pepper.

New digests use the first pepper of `settings.KEY_PEPPER`; all of them are accepted.
"""

from __future__ import annotations

import hmac
from functools import lru_cache

from django.conf import settings


def digests(secret: str) -> list[bytes]:
    """The digests under which this secret may be stored, of 32 bytes: one per pepper, the current first."""
    return [_digest(pepper, secret.encode()) for pepper in settings.KEY_PEPPER]


def _digest(pepper: str, secret: bytes) -> bytes:
    begun = _begun(pepper).copy()
    begun.update(secret)
    return begun.digest()


@lru_cache(maxsize=16)
def _begun(pepper: str) -> hmac.HMAC:
    """The digest of nothing yet, to copy, as to begin one takes as long as the rest."""
    return hmac.new(pepper.encode(), digestmod="sha256")
