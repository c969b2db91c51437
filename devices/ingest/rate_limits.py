"""Rate limits: a call that comes too often is refused before it costs anything (protocol.md, Common).

One per key counts calls. One per address counts failed authentications only, as one address may be a whole
fleet's, and never stops a key that this process has found to be live. A live key is never a failed
authentication, whatever it is refused: a frozen device's reports do not stop its neighbours' polls. A VPN
server asks about keys that devices gave it, wrong ones among them: that call alone has a limit of its own, as
long as the server's own key is in use there. Each process has its own.
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
SERVES: Final = 600.0  # seconds for which an accepted service key shows that a VPN server is at its address


def too_many(error: str) -> Refused:
    # No Retry-After: a supervisor would read its seconds as milliseconds.
    return Refused(429, error)


class Buckets:
    """Token buckets of one size: each holds `burst` and gains `rate` a second.

    Kept is only when a bucket will be full again; one that is full is as good as forgotten.
    """

    def __init__(self, size: Size, limit: int = BUCKETS) -> None:
        self._seconds_per_token = 1 / size.rate
        self._window = size.burst / size.rate
        self._limit = limit
        self._full_at: dict[Hashable, float] = {}

    def __len__(self) -> int:
        return len(self._full_at)

    def is_empty(self, who: Hashable, now: float) -> bool:
        # Half a token is left to rounding.
        return self._full_at.get(who, now) - now > self._window - self._seconds_per_token / 2

    def take(self, who: Hashable, now: float, tokens: int = 1) -> None:
        """Take tokens, those that are left if it has fewer."""
        full_at = max(self._full_at.get(who, now), now) + tokens * self._seconds_per_token
        self._full_at[who] = min(full_at, now + self._window)
        if len(self._full_at) > self._limit:
            self._forget(now)

    def _forget(self, now: float) -> None:
        """Forget those that are full; of the others, if need be, those that soon will be."""
        missing = sorted((item for item in self._full_at.items() if item[1] > now), key=itemgetter(1))
        self._full_at = dict(missing[-self._limit // 2 :])


class RateLimits:
    """The rate limits of one process: `check` before a call, `note` its status after it.

    `now` is in seconds of any clock that never goes back.
    """

    def __init__(self, calls: Mapping[Kind, Size] = CALLS, failures: Size = FAILURES) -> None:
        self._calls = {kind: Buckets(size) for kind, size in calls.items()}
        self._failures = Buckets(failures)
        # Two generations, by hash: when the newer is full, the older goes.
        self._accepted: set[int] = set()
        self._accepted_before: set[int] = set()
        # Where VPN servers are, and when their own key was last accepted. What they ask about may be wrong as
        # often as they may call.
        self._servers: dict[str, float] = {}
        self._lookup_failures = Buckets(calls[Kind.SERVICE])

    def check(self, key: str, address: str, kind: Kind, now: float, *, asks: bool = False) -> None:
        """Count this call, which is for keys of this kind; raises Refused (429).

        `asks`: it is one by which a VPN server asks about a key that a device gave it.
        """
        calls, who = self._calls[kind], hash(key)
        if calls.is_empty(who, now):
            raise too_many("This key calls too often.")
        failures = self._failures_of(address, now, asks=asks)
        if failures.is_empty(origin(address), now) and not self._is_accepted(who):
            raise too_many("Too many keys from this address were not accepted.")
        calls.take(who, now)

    def note(
        self,
        key: str,
        address: str,
        kind: Kind,
        now: float,
        status: int,
        *,
        known: bool = False,
        asks: bool = False,
    ) -> None:
        """How the call ended; `known`: refused, but with a key of somebody's (`devices.keys.is_known`)."""
        who = hash(key)
        if known:
            self._accept(who)
        elif status == 401:
            self._accepted.discard(who)
            self._accepted_before.discard(who)
            if address:  # none on a socket: who is in front of us has limits of its own
                self._failures_of(address, now, asks=asks).take(origin(address), now)
        elif status == 409:
            self._calls[kind].take(who, now, CONFLICT_COST)
        elif status < 400:
            if kind == Kind.SERVICE:
                self._note_server(origin(address), now)
            self._accept(who)

    def _accept(self, who: int) -> None:
        self._accepted.add(who)
        if len(self._accepted) >= ACCEPTED:
            self._accepted, self._accepted_before = set(), self._accepted

    def _note_server(self, where: str, now: float) -> None:
        self._servers.pop(where, None)
        self._servers[where] = now  # at the end: the first is the one that was silent longest
        if len(self._servers) > SERVERS:
            del self._servers[next(iter(self._servers))]

    def _failures_of(self, address: str, now: float, *, asks: bool) -> Buckets:
        """What a refused key of this call counts in."""
        last = self._servers.get(origin(address)) if asks else None
        return self._failures if last is None or now - last > SERVES else self._lookup_failures

    def _is_accepted(self, who: int) -> bool:
        return who in self._accepted or who in self._accepted_before


@lru_cache(maxsize=1024)
def origin(address: str) -> str:
    """What counts as one address: of IPv6 the network of 64 bits that one site has."""
    if ":" not in address:
        return address
    return str(ip_network((address, 64), strict=False))
