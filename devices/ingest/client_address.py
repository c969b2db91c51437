"""Where a request comes from: its peer, or what the proxies we trust say. One rule for pages and calls.

Each proxy appends its own peer to what it was told, so the addresses are walked from the nearest, and only as
far as trusted proxies wrote them: what lies further left is the caller's own invention.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Final

from django.conf import settings

from devices.ingest import forwarded
from devices.ingest.forwarded import Way, canonical

if TYPE_CHECKING:
    from asgiref.typing import HTTPScope

# Where proxies of one's own are: loopback, private (RFC 1918, 4193), shared (RFC 6598) and link-local.
INSIDE: Final = [
    ip_network(network)
    for network in (
        *("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16"),
        *("::1/128", "fc00::/7", "fe80::/10"),
    )
]


class Doubt(enum.StrEnum):
    """Why an address is probably a proxy's, and not the caller's."""

    NOT_TRUSTED = "not trusted"  # what it says is not believed, and it is inside
    SAYS_NOTHING = "says nothing"  # it is trusted, and names no address
    UNREADABLE = "unreadable"  # it is trusted, and what it names is no address
    CONTRADICTORY = "contradictory"  # X-Forwarded-For and Forwarded name different addresses


@dataclass(frozen=True, slots=True)
class Caller:
    """Where a request comes from, as far as it can be known."""

    peer: str  # the address of the connection; empty where it has none (a socket)
    proxied: bool  # the peer is a trusted proxy
    address: str  # the nearest that is no trusted proxy's; the peer's where proxies do not say
    scheme: str  # of the connection of the caller, empty where no trusted proxy says
    doubt: Doubt | None
    claimed: str = ""  # the address that was not believed, if one was named


def caller(scope: HTTPScope) -> Caller:
    """Who asks, and what is to be doubted about it."""
    client = scope["client"]
    peer = canonical(client[0]) if client else ""
    ways = forwarded.read(scope["headers"])
    if not is_trusted(peer):
        doubted = bool(ways) and is_inside(peer)
        claimed = _farthest(ways[0].nodes) if doubted else ""
        return Caller(peer, False, peer, "", Doubt.NOT_TRUSTED if doubted else None, claimed)
    walked = [_walked(peer, way) for way in ways]
    address, doubt, claimed = _told(peer, [hop for hop in walked if hop.way.nodes])
    return Caller(peer, True, address, _scheme(walked), doubt, claimed)


@dataclass(frozen=True, slots=True)
class Walked:
    """A way that was walked from its nearest node, as far as trusted proxies wrote it."""

    way: Way
    address: str  # the nearest that is no trusted proxy's
    further: list[str]  # the nodes beyond


def _walked(peer: str, way: Way) -> Walked:
    address, further = peer, list(way.nodes)
    while further and is_trusted(address) and (next_one := forwarded.address(further[-1])):
        address = next_one
        further.pop()
    return Walked(way, address, further)


def _told(peer: str, walked: list[Walked]) -> tuple[str, Doubt | None, str]:
    """The address that a trusted peer's headers lead to, a doubt, and an address that is not believed.

    A proxy sets one of the two headers and may pass the other on as the caller sent it. Which is its own
    cannot be seen: where they contradict each other, neither is believed.
    """
    if not walked:
        return peer, Doubt.SAYS_NOTHING, ""
    address, further = walked[0].address, walked[0].further
    if any(hop.address != address for hop in walked):
        return peer, Doubt.CONTRADICTORY, address
    claimed = _farthest(further)
    if not further or not (is_trusted(address) or is_inside(address)):
        return address, None, claimed
    return address, Doubt.UNREADABLE if is_trusted(address) else Doubt.NOT_TRUSTED, claimed


def _scheme(walked: list[Walked]) -> str:
    """Https where the caller's own connection has it, or the farthest that is told of.

    Connections between proxies may be without. A caller that makes it up deceives nobody else.
    """
    for hop in walked:
        schemes, at = hop.way.schemes, len(hop.further)
        aligned = len(schemes) == len(hop.way.nodes) > at
        told = {*schemes[:1], *(schemes[at : at + 1] if aligned else [])}
        for scheme in forwarded.SCHEMES:
            if scheme in told:
                return scheme
    return ""


def _farthest(entries: list[str]) -> str:
    return forwarded.address(entries[0]) if entries else ""


@lru_cache(maxsize=1024)
def is_trusted(address: str) -> bool:
    return bool(address) and any(
        ip_address(address) in ip_network(network) for network in settings.TRUSTED_PROXIES
    )


@lru_cache(maxsize=1024)
def is_inside(address: str) -> bool:
    """Whether it is an address of one's own network, where a proxy may be."""
    return bool(address) and any(ip_address(address) in network for network in INSIDE)
