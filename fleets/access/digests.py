"""What is kept of a random text that is shown once: HMAC-SHA-256 under `settings.KEY_PEPPER`.

The first pepper signs, all are accepted.
"""

from __future__ import annotations

import hashlib
import hmac

from django.conf import settings


def digests(secret: str) -> list[bytes]:
    """What the text may be stored as: one digest per pepper, the current first."""
    return [hmac.digest(pepper.encode(), secret.encode(), hashlib.sha256) for pepper in settings.KEY_PEPPER]
