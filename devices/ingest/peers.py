"""The public address of a caller: its peer's, looked up through the proxies we trust."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from django.conf import settings

if TYPE_CHECKING:
    from asgiref.typing import HTTPScope


def public_address(scope: HTTPScope) -> str:
    """The nearest address that is no trusted proxy's; empty where the peer has none (a socket).

    Each proxy appends its peer to X-Forwarded-For, so the header is walked from the right, and only
    as far as trusted proxies wrote it: what lies further left is the caller's own invention.
    """
    client = scope["client"]
    address = canonical(client[0]) if client else ""
    if not is_trusted(address):
        return address
    forwarded = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for")
    for text in reversed(forwarded.decode("latin-1").split(",")):
        further = canonical(text)
        if not further:
            break
        address = further
        if not is_trusted(address):
            break
    return address


@lru_cache(maxsize=1024)
def canonical(text: str) -> str:
    """An address as PostgreSQL writes it (IPv4 in IPv6 unwrapped); empty if it is none."""
    try:
        address = ip_address(text.strip())
    except ValueError:
        return ""
    return str(getattr(address, "ipv4_mapped", None) or address).partition("%")[0]


@lru_cache(maxsize=1024)
def is_trusted(address: str) -> bool:
    return bool(address) and any(
        ip_address(address) in ip_network(network) for network in settings.TRUSTED_PROXIES
    )
