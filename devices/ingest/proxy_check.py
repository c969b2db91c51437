"""Detecting a misconfigured proxy: all requests seem to come from one address, which is probably the proxy's.

Then all callers share the rate limits of one address, and the audit log names it for each of them. Every
process examines its own requests, and shares its findings by the cache; the log and the admin show them
(dashboard.http.arrival).
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from django.core.cache import cache

from devices import clock
from devices.ingest.client_address import Caller, Doubt
from devices.ingest.database import in_database
from devices.ingest.forwarded import Headers

if TYPE_CHECKING:
    from concurrent.futures import Executor
logger = logging.getLogger(__name__)

TELL_EVERY: Final = 60.0  # seconds
KEEP: Final = 3600  # seconds for which a finding is kept without being found again
KEEP_LAST: Final = 24 * 3600  # seconds for which the last request is kept
MANY: Final = 5  # different keys, sessions or claimed addresses from which on it is a finding
ROUNDS: Final = 60  # calls of `tell`, after which counting begins anew
SHOWN: Final = 300  # characters of a header
KINDS: Final = {"pages": "requests for pages", "calls": "calls of devices and VPN servers"}
NAMES_SHOWN: Final = {
    b"host": "Host",
    b"x-forwarded-for": "X-Forwarded-For",
    b"x-forwarded-proto": "X-Forwarded-Proto",
    b"x-forwarded-host": "X-Forwarded-Host",
    b"forwarded": "Forwarded",
}

FIXES: Final = {
    Doubt.NOT_TRUSTED: "If {address} is your proxy, add it to TRUSTED_PROXIES and restart Lookout.",
    Doubt.SAYS_NOTHING: "{address} is in TRUSTED_PROXIES but does not say who is behind it. Configure it to"
    " append the address of its client to X-Forwarded-For. If it is not a proxy, remove it from"
    " TRUSTED_PROXIES.",
    Doubt.UNREADABLE: "The proxy sends something that is not an address in X-Forwarded-For or Forwarded."
    " Configure it to append the address of its client.",
    Doubt.CONTRADICTORY: "X-Forwarded-For and Forwarded name different addresses, so neither is believed."
    " Configure the proxy to remove the one that it does not set itself.",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """All requests of one kind came from one address, though many people or devices made them."""

    kind: str  # a key of KINDS
    address: str
    doubt: Doubt
    number: int  # of requests
    at: datetime

    def __str__(self) -> str:
        return f"{self.summary} {self.fix}"

    @property
    def summary(self) -> str:
        """What was found, as a sentence."""
        return f"All {self.number} {KINDS[self.kind]} seem to come from {self.address}."

    @property
    def fix(self) -> str:
        """What to do about it, in sentences."""
        return fix(self.doubt, self.address)


def fix(doubt: Doubt, address: str) -> str:
    """What to do about this doubt about this address, in sentences."""
    return FIXES[doubt].format(address=address)


@dataclass(frozen=True, slots=True)
class LastRequest:
    """The caller that was understood of the last request of a kind, and the headers that it came from."""

    at: datetime
    caller: Caller
    headers: list[tuple[str, str]]


class Arrivals:
    """The requests of one kind (a key of KINDS) that this process received since it last began counting."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._last: tuple[Caller, Headers] | None = None
        self._begin()

    def _begin(self) -> None:
        self._number = self._rounds = 0
        self._who = set[int]()
        self._alike: tuple[str, Doubt] | None = None
        self._differ = self._is_logged = False

    def note(self, caller: Caller, headers: Headers, who: str) -> None:
        """Count a request by the holder of a key or session, `who`; empty: known by the claimed address."""
        who = who or caller.claimed
        if not who:  # a health check of a load balancer, say
            return
        self._last = caller, headers
        if self._differ:
            return
        alike = (caller.address, caller.doubt) if caller.doubt else None
        self._differ = alike is None or self._alike not in {None, alike}
        self._alike = alike
        self._number += 1
        if len(self._who) < MANY:
            self._who.add(hash(who))

    def tell(self, at: datetime) -> None:
        """Share the last request and a finding, if there is one, with all processes; log a new finding."""
        if self._last is not None:
            caller, headers = self._last
            last = asdict(caller) | {"at": at, "headers": shown(headers)}
            cache.set(f"last-request:{self.kind}", last, KEEP_LAST)
            self._last = None
        if finding := self._found(at):
            cache.set(f"one-address:{self.kind}", asdict(finding), KEEP)
            if not self._is_logged:
                logger.warning("%s", finding)
            self._is_logged = True
        self._rounds += 1
        if self._rounds >= ROUNDS:
            self._begin()

    def _found(self, at: datetime) -> Finding | None:
        if self._differ or self._alike is None or len(self._who) < MANY:
            return None
        address, doubt = self._alike
        return Finding(self.kind, address, doubt, self._number, at)


PAGES: Final = Arrivals("pages")
CALLS: Final = Arrivals("calls")


def shown(headers: Headers) -> list[tuple[str, str]]:
    """The headers, as (name, value), that name where a request comes from: none with a key or session."""
    return [
        (NAMES_SHOWN[name], value[:SHOWN].decode("latin-1")) for name, value in headers if name in NAMES_SHOWN
    ]


async def keep_telling(threads: Executor) -> None:
    """Share findings every TELL_EVERY seconds, until cancelled; what cannot be shared is found again."""
    while True:
        await asyncio.sleep(TELL_EVERY)
        try:
            await asyncio.get_running_loop().run_in_executor(threads, in_database, _tell)
        except Exception as error:  # noqa: BLE001  the next time may do better
            logger.warning("where requests come from was not told: %s", str(error).partition("\n")[0])


def _tell() -> None:
    at = clock.now()
    for entry in (PAGES, CALLS):
        entry.tell(at)


def findings() -> list[Finding]:
    """The findings of all processes within the last hour."""
    found = [cache.get(f"one-address:{kind}") for kind in KINDS]
    return [Finding(**finding | {"doubt": Doubt(finding["doubt"])}) for finding in found if finding]


def last(kind: str) -> LastRequest | None:
    """The last request of a kind (a key of KINDS), as of a minute ago; None: there was none in a day."""
    facts: dict[str, Any] | None = cache.get(f"last-request:{kind}")
    if facts is None:
        return None
    at, headers = facts.pop("at"), facts.pop("headers")
    return LastRequest(
        at, Caller(**facts | {"doubt": Doubt(facts["doubt"]) if facts["doubt"] else None}), headers
    )
