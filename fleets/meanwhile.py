"""Optimistic concurrency: a change is refused if what its form showed has changed since."""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import Any


class ChangedMeanwhile(Exception):
    """What a form showed has changed since: `what` names it, `now` is its present value if known."""

    def __init__(self, what: object, now: Any = None) -> None:
        super().__init__(f"{what} changed meanwhile.")
        self.now = now


def version(value: Any) -> str:
    """A digest of a value that JSON can write, for a form to send back: another value has another digest."""
    return blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=8).hexdigest()
