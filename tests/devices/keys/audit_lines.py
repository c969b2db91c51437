"""Lines of the audit log as tests compare them."""

from __future__ import annotations

from devices.models import ApiKey
from fleets.access.digests import digests

CHOSEN = "chosen-by-the-device-" + "x" * 11


def stored(key: str) -> ApiKey:
    return ApiKey.objects.get(digest=digests(key)[0])


def print_of(key: str) -> str:
    return stored(key).fingerprint
