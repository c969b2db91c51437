"""Which keys proved to be the own key of which device, as digests in the memory of this process."""

from __future__ import annotations

import secrets
from hashlib import blake2b
from typing import Final

MOST: Final = 50_000  # keys, at some 250 bytes each


class Proofs:
    """The devices that keys were proved for, the key used last at the end; the first are forgotten first."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._secret = secrets.token_bytes(32)
        self._uuids: dict[bytes, str] = {}

    def __len__(self) -> int:
        return len(self._uuids)

    def note(self, key: str, uuid: str) -> None:
        """The key was proved to be that of the device with this UUID."""
        digest = self._digest(key)
        self._uuids.pop(digest, None)
        self._uuids[digest] = uuid
        if len(self._uuids) > self._most:
            del self._uuids[next(iter(self._uuids))]

    def uuid(self, key: str) -> str:
        """The UUID of the device whose key it is; empty: it was not proved."""
        return self._uuids.get(self._digest(key), "")

    def forget(self, key: str) -> None:
        """The key is not accepted any more."""
        self._uuids.pop(self._digest(key), None)

    def _digest(self, key: str) -> bytes:
        return blake2b(key.encode(), digest_size=16, key=self._secret).digest()
