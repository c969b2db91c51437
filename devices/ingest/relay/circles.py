"""Calls that go in a circle: the address of a relay leads back to Lookout, or to another one that does.

A proxy marks what it passed on by a header (RFC 9110, 7.6.3). A relay adds none, since an API and a proxy in
front of it may answer a marked call otherwise: nginx packs no answer to it. So it is known by what it is: the
same call is open many times, each within the one before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from devices.ingest.http import Refused

if TYPE_CHECKING:
    from asgiref.typing import HTTPScope

# Calls that are open and alike. A device, or a VPN server, waits for its answer, or asks again after seconds.
MOST: Final = 32
# What proxies do not change on the way, of the headers.
NAMED: Final = (b"host", b"authorization", b"user-agent", b"content-type", b"if-none-match")
GOES_IN_A_CIRCLE: Final = (
    "This call has passed Lookout many times, and each time it was sent back to it. The address that it is"
    " relayed to must be that of the API behind the proxy."
)


class Open:
    """The calls of one event loop that are open, by what they ask."""

    def __init__(self) -> None:
        self._alike = Counter[bytes]()

    @contextmanager
    def call(self, scope: HTTPScope, body: bytes) -> Iterator[None]:
        """While a call with this body is open. Raises Refused (508) where MOST that are alike are open."""
        asked = _digest(scope, body)
        if self._alike[asked] >= MOST:
            raise Refused(508, GOES_IN_A_CIRCLE)
        self._alike[asked] += 1
        try:
            yield
        finally:
            self._alike[asked] -= 1
            if not self._alike[asked]:
                del self._alike[asked]


def _digest(scope: HTTPScope, body: bytes) -> bytes:
    headers = [b"%b: %b" % pair for pair in scope["headers"] if pair[0] in NAMED]
    parts = (scope["method"].encode(), scope["raw_path"], scope["query_string"], *headers, b"", body)
    return blake2b(b"\n".join(parts), digest_size=16).digest()
