"""Calls that go in a circle: the address of a relay leads back to Lookout, or to another one that does.

A proxy marks what it passed on by a header (RFC 9110, 7.6.3). A relay adds none, since an API and a proxy in
front of it may answer a marked call otherwise: nginx packs no answer to it. So it is known by what it is: the
same call is open many times, each within the one before.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from devices.ingest.http import Refused, header, query

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from asgiref.typing import HTTPScope

    from devices.ingest.open_calls import OpenCalls

# Calls that are open and alike. With a key: a device, or a VPN server, waits for its answer, or asks again
# after seconds. Without: all devices ask alike whether the API is there, and it may be slow to answer.
MOST: Final = 32
MOST_WITHOUT_KEY: Final = 1_000
# What proxies do not change on the way, of the headers.
NAMED: Final = (b"host", b"authorization", b"user-agent", b"content-type", b"if-none-match")
GOES_IN_A_CIRCLE: Final = (
    "This call has passed Lookout many times, and each time it was sent back to it. The address that it is"
    " relayed to must be that of the API behind the proxy."
)


def kept_out(open_calls: OpenCalls, scope: HTTPScope, body: bytes) -> AbstractContextManager[None]:
    """While a call with this body is open, among these of an event loop.

    Raises Refused (508) where so many that are alike are open that they go in a circle.
    """
    has_key = header(scope, b"authorization") is not None or "apikey" in query(scope)
    most = MOST if has_key else MOST_WITHOUT_KEY
    return open_calls.counted(_digest(scope, body), most, refusal=Refused(508, GOES_IN_A_CIRCLE))


def _digest(scope: HTTPScope, body: bytes) -> bytes:
    headers = [b"%b: %b" % pair for pair in scope["headers"] if pair[0] in NAMED]
    parts = (scope["method"].encode(), scope["raw_path"], scope["query_string"], *headers, b"", body)
    return blake2b(b"\n".join(parts), digest_size=16).digest()
