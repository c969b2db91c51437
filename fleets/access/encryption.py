"""Encryption of texts in the database, so that nobody can read them from the database alone.

The keys are derived from SECRET_KEY, a different one for each kind of text. Keys derived from
SECRET_KEY_FALLBACKS still decrypt.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode

from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings
from django.utils.crypto import salted_hmac


def fernet(kind: str) -> MultiFernet:
    """Encrypts and decrypts texts of one kind; decrypting a text of another kind raises InvalidToken."""
    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return MultiFernet([Fernet(_key(kind, secret)) for secret in secrets])


def _key(kind: str, secret: str) -> bytes:
    return urlsafe_b64encode(salted_hmac(kind, "", secret=secret, algorithm="sha256").digest())
