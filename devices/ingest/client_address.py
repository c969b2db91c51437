"""The address that a request comes from: its peer, or what trusted proxies say; for pages and calls alike.

Each proxy appends its own peer to the list that it received, so the addresses are walked from the nearest,
and only as far as trusted proxies wrote them: what lies further left may be the caller's invention.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Final

from django.conf import settings

from devices.ingest import forwarded
from devices.ingest.forwarded import Chain, canonical

if TYPE_CHECKING:
    from asgiref.typing import HTTPScope

# Networks where a proxy of the site may be: loopback, private (RFC 1918, 4193), shared (RFC 6598),
# link-local.
INSIDE: Final = [
    ip_network(network)
    for network in (
        *("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16"),
        *("::1/128", "fc00::/7", "fe80::/10"),
    )
]


class Doubt(enum.StrEnum):
    """Why an address is probably a proxy's, and not the caller's."""

    NOT_TRUSTED = "not trusted"  # its headers are not believed, though it is in a network of one's own
    SAYS_NOTHING = "says nothing"  # it is trusted, but names no address
    UNREADABLE = "unreadable"  # it is trusted, but names something that is no address
    CONTRADICTORY = "contradictory"  # X-Forwarded-For and Forwarded name different addresses


@dataclass(frozen=True, slots=True)
class Caller:
    """Where a request comes from, as far as it can be known.

    Addresses are texts as PostgreSQL writes them.
    """

    peer: str  # the address of the connection; empty where it has none (a Unix socket)
    proxied: bool  # whether the peer is a trusted proxy
    address: str  # the nearest that is not a trusted proxy's; the peer's where proxies name none
    scheme: str  # "http" or "https" of the caller's connection; empty where no trusted proxy names it
    doubt: Doubt | None
    claimed: str = ""  # an address that was named and not believed, if any


def caller(scope: HTTPScope) -> Caller:
    """The caller of a request, by its peer and headers, with a doubt about the address if there is one."""
    client = scope["client"]
    peer = canonical(client[0]) if client else ""
    chains = forwarded.read(scope["headers"])
    if not chains and not is_trusted(peer):
        return straight(peer)
    if not is_trusted(peer):
        doubted = bool(chains) and is_inside(peer)
        claimed = _farthest(chains[0].nodes) if doubted else ""
        return Caller(peer, False, peer, "", Doubt.NOT_TRUSTED if doubted else None, claimed)
    walked = [_walked(peer, chain) for chain in chains]
    address, doubt, claimed = _told(peer, [hop for hop in walked if hop.chain.nodes])
    return Caller(peer, True, address, _scheme(walked), doubt, claimed)


@lru_cache(maxsize=1024)
def straight(peer: str) -> Caller:
    """A caller whose connection reaches this process without a proxy, as far as can be seen."""
    return Caller(peer, False, peer, "", None)


@dataclass(frozen=True, slots=True)
class Walked:
    """A chain of proxies that was walked from its nearest node, as far as trusted proxies wrote it."""

    chain: Chain
    address: str  # the nearest that is not a trusted proxy's
    further: list[str]  # the nodes beyond it


def _walked(peer: str, chain: Chain) -> Walked:
    address, further = peer, list(chain.nodes)
    while further and is_trusted(address) and (next_one := forwarded.address(further[-1])):
        address = next_one
        further.pop()
    return Walked(chain, address, further)


def _told(peer: str, walked: list[Walked]) -> tuple[str, Doubt | None, str]:
    """The address that a trusted peer's headers lead to, a doubt if any, and an address that is not believed.

    A proxy sets one of the two headers and may pass the other on as the caller sent it. Nobody can see which
    one is its own, so where they contradict each other, neither is believed.
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
    """The scheme of the caller's connection or of the farthest hop: https if either has it; "" if unknown.

    Connections between proxies may be plain http. A caller that invents a scheme deceives only itself.
    """
    for hop in walked:
        schemes, at = hop.chain.schemes, len(hop.further)
        aligned = len(schemes) == len(hop.chain.nodes) > at
        named = {*schemes[:1], *(schemes[at : at + 1] if aligned else [])}
        for scheme in forwarded.SCHEMES:
            if scheme in named:
                return scheme
    return ""


def _farthest(entries: list[str]) -> str:
    return forwarded.address(entries[0]) if entries else ""


@lru_cache(maxsize=1024)
def is_trusted(address: str) -> bool:
    """Whether it is the address of a trusted proxy (the setting TRUSTED_PROXIES)."""
    return bool(address) and any(
        ip_address(address) in ip_network(network) for network in settings.TRUSTED_PROXIES
    )


@lru_cache(maxsize=1024)
def is_inside(address: str) -> bool:
    """Whether it is an address of one's own network, where a proxy may be."""
    return bool(address) and any(ip_address(address) in network for network in INSIDE)
