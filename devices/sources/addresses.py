"""Where a source may be: openBalena often runs on a local network, so its address may be private.

Addresses of the link itself are refused, as clouds answer there with the secrets of the machine that asks.
The name is resolved at each connection, and what it resolves to is checked.
"""

from __future__ import annotations

import asyncio
import socket
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

# Link-local addresses, where clouds serve the secrets of a machine, and other addresses for the same.
REFUSED: Final = tuple(
    ip_network(network)
    for network in (
        "169.254.0.0/16",
        "fe80::/10",
        "fd00:ec2::254/128",
        "fd20:ce::254/128",
        "168.63.129.16/32",
        "100.100.100.200/32",
        "192.0.0.192/32",
        "0.0.0.0/8",
        "::/128",
        "224.0.0.0/4",
        "ff00::/8",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "2002::/16",
    )
)


class NotAllowed(ValueError):
    """A source cannot be at this address; the text says why."""


def checked(text: str) -> str:
    """The address of an API: scheme, host and port, without the path. Raises NotAllowed."""
    try:
        parts = URL(text.strip())
        host, port = parts.host or "", parts.port
    except ValueError as error:
        raise NotAllowed("This is not an address.") from error
    if not host or parts.scheme not in ("https", "http") or any(mark <= " " for mark in text.strip()):
        raise NotAllowed("The address of an API begins with https:// or http:// and has no spaces.")
    if parts.user or parts.password or parts.query_string or parts.fragment or parts.path not in ("", "/"):
        raise NotAllowed("Enter the address of the API alone, such as https://api.example.com.")
    check_literal(host)
    return str(URL.build(scheme=parts.scheme, host=host, port=port)).rstrip("/")


def check_literal(host: str) -> None:
    """Raise NotAllowed if the host is written as an address at which no source may be."""
    try:
        ip_address(host)
    except ValueError:
        return
    check(host, host)


def check(host: str, address: str) -> None:
    """Raise NotAllowed if `host` leads to an address at which no source may be."""
    one = ip_address(address.partition("%")[0])
    plain = (one.ipv4_mapped if isinstance(one, IPv6Address) else None) or one
    if any(plain in network for network in REFUSED):
        raise NotAllowed(f"{host} leads to {address}, where no source may be.")


class Resolver(AbstractResolver):
    """Resolves a name, and raises NotAllowed if one of its addresses is refused."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        entries = await loop.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys((kind, str(where[0])) for kind, *_, where in entries))
        for _, address in addresses:
            check(host, address)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=kind,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for kind, address in addresses
        ]

    async def close(self) -> None:
        pass
