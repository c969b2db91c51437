"""Brakes: a call that comes too often is refused before it costs anything (protocol.md, Common).

One per key counts calls. One per address counts failed authentications only, as one address may be a whole
fleet's, and never stops a key that this process has accepted, nor a VPN server. Each process has its own.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_network
from operator import itemgetter
from typing import TYPE_CHECKING, Final, NamedTuple

from devices.ingest.http import Refused
from devices.models import ApiKey

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

Kind = ApiKey.Kind


class Size(NamedTuple):
    rate: float  # calls a second, for ever
    burst: int  # calls at once, after a rest


# By the kind of key a call is for. An agent makes far less than a call a second. All devices of a fleet share
# the key they register with; a VPN server that starts again has all its devices connect within a minute.
CALLS: Final = {
    Kind.DEVICE: Size(2, 120),
    Kind.PROVISIONING: Size(100, 6_000),
    Kind.SERVICE: Size(500, 30_000),
}
# Failed authentications from an address.
FAILURES: Final = Size(5, 300)
# What a taken UUID at registration, and any other conflict, counts besides: as so many calls.
CONFLICT_COST: Final = 50

# What is remembered at most, at some 100 bytes each: buckets of each kind, and half of the accepted keys.
BUCKETS: Final = 20_000
ACCEPTED: Final = 50_000
SERVERS: Final = 10_000


def too_many(error: str) -> Refused:
    # No Retry-After: a supervisor would read its seconds as milliseconds.
    return Refused(429, error)


class Buckets:
    """Token buckets of one size: each holds `burst` and gains `rate` a second.

    Kept is only when a bucket will be full again; one that is full is as good as forgotten.
    """

    def __init__(self, size: Size, limit: int = BUCKETS) -> None:
        self._each = 1 / size.rate
        self._window = size.burst / size.rate
        self._limit = limit
        self._full_at: dict[Hashable, float] = {}

    def __len__(self) -> int:
        return len(self._full_at)

    def is_empty(self, who: Hashable, now: float) -> bool:
        # Half a token is left to rounding.
        return self._full_at.get(who, now) - now > self._window - self._each / 2

    def take(self, who: Hashable, now: float, tokens: int = 1) -> None:
        """Take tokens, those that are left if it has fewer."""
        full_at = max(self._full_at.get(who, now), now) + tokens * self._each
        self._full_at[who] = min(full_at, now + self._window)
        if len(self._full_at) > self._limit:
            self._forget(now)

    def _forget(self, now: float) -> None:
        """Forget those that are full; of the others, if need be, those that soon will be."""
        missing = sorted((item for item in self._full_at.items() if item[1] > now), key=itemgetter(1))
        self._full_at = dict(missing[-self._limit // 2 :])


class Brakes:
    """The brakes of one process: `check` before a call, `note` its status after it.

    `now` is in seconds of any clock that never goes back.
    """

    def __init__(self, calls: Mapping[Kind, Size] = CALLS, failures: Size = FAILURES) -> None:
        self._calls = {kind: Buckets(size) for kind, size in calls.items()}
        self._failures = Buckets(failures)
        # Two generations, by hash: when the newer is full, the older goes.
        self._accepted: set[int] = set()
        self._accepted_before: set[int] = set()
        # Where VPN servers are: they ask about keys that others gave them.
        self._servers: set[str] = set()

    def check(self, key: str, address: str, kind: Kind, now: float) -> None:
        """Count this call, which is for keys of this kind; raises Refused (429)."""
        calls, who = self._calls[kind], hash(key)
        if calls.is_empty(who, now):
            raise too_many("This key calls too often.")
        if self._failures.is_empty(origin(address), now) and not self._is_accepted(who):
            raise too_many("Too many keys from this address were not accepted.")
        calls.take(who, now)

    def note(self, key: str, address: str, kind: Kind, now: float, status: int) -> None:
        """How the call ended."""
        who = hash(key)
        if status == 401:
            self._accepted.discard(who)
            self._accepted_before.discard(who)
            # None on a socket: who is in front of us has brakes of its own.
            if address and origin(address) not in self._servers:
                self._failures.take(origin(address), now)
        elif status == 409:
            self._calls[kind].take(who, now, CONFLICT_COST)
        elif status < 400:
            if kind == Kind.SERVICE and len(self._servers) < SERVERS:
                self._servers.add(origin(address))
            self._accepted.add(who)
            if len(self._accepted) >= ACCEPTED:
                self._accepted, self._accepted_before = set(), self._accepted

    def _is_accepted(self, who: int) -> bool:
        return who in self._accepted or who in self._accepted_before


@lru_cache(maxsize=1024)
def origin(address: str) -> str:
    """What counts as one address: of IPv6 the network of 64 bits that one site has."""
    if ":" not in address:
        return address
    return str(ip_network((address, 64), strict=False))
