"""Changes that are made up from what somebody saw: refused where that is no longer so."""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import Any


class ChangedMeanwhile(Exception):
    """What a change was made up from is another by now: `now`, where who asks wants to know it."""

    def __init__(self, what: object, now: Any = None) -> None:
        super().__init__(f"{what} changed meanwhile.")
        self.now = now


def version(value: Any) -> str:
    """Names a value, so that a change can tell whether it was made up from it."""
    return blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=8).hexdigest()
