"""Rate limits: a call that comes too often is refused before it costs anything (protocol.md, Common).

There is one limit per key, of calls, and one per address, of failed authentications only, since many devices
may share an address; it never stops a key that this process knows to be live. A refused call with a live key
is not a failed authentication: reports of a frozen device do not stop the polls of its neighbours. VPN
servers check keys that devices gave them, wrong ones among them; failures of this call have a limit of their
own, as long as the server's own key is in use at that address. Each process counts for itself.
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
    """The size of a token bucket."""

    rate: float  # calls per second, in the long run
    burst: int  # calls at once, after a rest


# Calls of one key, by its kind. An agent makes far less than a call per second. All devices of a fleet share
# its provisioning key; all devices of a VPN server that restarts connect within a minute.
CALLS: Final = {
    Kind.DEVICE: Size(2, 120),
    Kind.PROVISIONING: Size(100, 6_000),
    Kind.SERVICE: Size(500, 30_000),
}
# Failed authentications from an address.
FAILURES: Final = Size(5, 300)
# How many calls a conflict (409), such as a taken UUID at registration, counts in addition.
CONFLICT_COST: Final = 50

# How many are remembered at most, at some 100 bytes each: buckets of each kind, accepted keys of each of two
# generations, and addresses of VPN servers.
BUCKETS: Final = 20_000
ACCEPTED: Final = 50_000
SERVERS: Final = 10_000
SERVES: Final = 600.0  # seconds for which an accepted service key shows that a VPN server is at an address


def too_many(error: str) -> Refused:
    # No Retry-After: a supervisor would read its seconds as milliseconds.
    return Refused(429, error)


class Buckets:
    """Token buckets of one size: each holds up to `burst` tokens and gains `rate` per second.

    Only the moment at which a bucket will be full is stored; a full bucket needs no storage. `now` is in
    seconds of a monotonic clock; `limit` is how many buckets are stored at most.
    """

    def __init__(self, size: Size, limit: int = BUCKETS) -> None:
        self._seconds_per_token = 1 / size.rate
        self._window = size.burst / size.rate
        self._limit = limit
        self._full_at: dict[Hashable, float] = {}

    def __len__(self) -> int:
        return len(self._full_at)

    def is_empty(self, who: Hashable, now: float) -> bool:
        """Whether the bucket of `who` has no token left; half a token of tolerance for rounding."""
        return self._full_at.get(who, now) - now > self._window - self._seconds_per_token / 2

    def take(self, who: Hashable, now: float, tokens: int = 1) -> None:
        """Take so many tokens from the bucket of `who`, or those that are left."""
        full_at = max(self._full_at.get(who, now), now) + tokens * self._seconds_per_token
        self._full_at[who] = min(full_at, now + self._window)
        if len(self._full_at) > self._limit:
            self._forget(now)

    def _forget(self, now: float) -> None:
        """Drop the buckets that are full; where too many are left, also those that will be full soonest."""
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
        # By address of a VPN server, when its own key was last accepted. Keys that servers check may be wrong
        # as often as servers may call.
        self._servers: dict[str, float] = {}
        self._lookup_failures = Buckets(calls[Kind.SERVICE])

    def check(self, key: str, address: str, kind: Kind, now: float, *, checks_key: bool = False) -> None:
        """Count a call with `key` from `address`, which is for keys of `kind`. Raises Refused (429).

        `checks_key`: it is the call by which a VPN server checks a key that a device gave it.
        """
        self.require(key, address, kind, now, checks_key=checks_key)
        self.count(key, kind, now)

    def require(self, key: str, address: str, kind: Kind, now: float, *, checks_key: bool = False) -> None:
        """Raise Refused (429) where a call with `key` from `address` is one too many; it is not counted.

        `checks_key`: it is the call by which a VPN server checks a key that a device gave it.
        """
        calls, who = self._calls[kind], hash(key)
        if calls.is_empty(who, now):
            raise too_many("This key calls too often.")
        failures = self._failures_of(address, now, checks_key=checks_key)
        if failures and failures.is_empty(origin(address), now) and not self._is_accepted(who):
            raise too_many("Too many keys from this address were not accepted.")

    def count(self, key: str, kind: Kind, now: float) -> None:
        """Count a call with `key`, which is for keys of `kind`."""
        self._calls[kind].take(hash(key), now)

    def note(
        self,
        key: str,
        address: str,
        kind: Kind,
        now: float,
        status: int,
        *,
        known: bool = False,
        checks_key: bool = False,
    ) -> None:
        """Note the HTTP status with which a call ended.

        `known`: it was refused (401) with a key that is, or was, of somebody (`devices.keys.is_known`).
        `checks_key`: it is the call by which a VPN server checks a key that a device gave it.
        """
        who = hash(key)
        if known:
            self._accept(who)
        elif status == 401:
            self._accepted.discard(who)
            self._accepted_before.discard(who)
            if address:  # none on a Unix socket: the proxy in front has limits of its own
                self._failures_of(address, now, checks_key=checks_key).take(origin(address), now)
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

    def _failures_of(self, address: str, now: float, *, checks_key: bool) -> Buckets:
        """The buckets in which failed authentications of such a call from `address` are counted."""
        last = self._servers.get(origin(address)) if checks_key else None
        return self._failures if last is None or now - last > SERVES else self._lookup_failures

    def _is_accepted(self, who: int) -> bool:
        return who in self._accepted or who in self._accepted_before


@lru_cache(maxsize=1024)
def origin(address: str) -> str:
    """What counts as one address: an IPv4 address, or the /64 network of an IPv6 address."""
    if ":" not in address:
        return address
    return str(ip_network((address, 64), strict=False))
