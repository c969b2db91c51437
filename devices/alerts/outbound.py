"""HTTP to services that people named: never to a place inside, only to the address that was checked.

The name is resolved once for each attempt. Each of its addresses is checked, and the connection is made to
one of these, so a name that answers differently the second time does not matter. Redirects are not followed.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from django.conf import settings
from yarl import URL

CONNECTING: Final = 10.0  # seconds
WHOLE: Final = 30.0  # seconds, from resolving the name to the end of the answer
READ: Final = 64 * 1024  # bytes of an answer
SENT: Final = 256 * 1024  # bytes of a body
# Global by their numbers, but they lead inside: translations of IPv4, and Azure's address of a host's agent.
INSIDE: Final = tuple(
    ip_network(network) for network in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "168.63.129.16/32")
)

Address = IPv4Address | IPv6Address


class NotAllowed(Exception):
    """Where it should go, or what should be sent, is not allowed; the text says which and why."""


class Unreachable(Exception):
    """Nobody answered; the text says what happened instead."""


@dataclass(frozen=True)
class Request:
    """What is sent, and where. Header values and the address have no line breaks."""

    url: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "POST"


@dataclass(frozen=True)
class Answer:
    """What was answered: the status, the first READ bytes, and the header Retry-After ("" without one)."""

    status: int
    body: bytes = b""
    retry_after: str = ""


def send(request: Request, *, anywhere: bool = False) -> Answer:
    """Send it once, and return what is answered.

    `anywhere`: the address is the site's own setting, so it may lead inside. Raises NotAllowed, Unreachable.
    """
    host, port = checked(request.url, anywhere=anywhere)
    if len(request.body) > SENT:
        raise NotAllowed("The message is larger than 256 kB.")
    if any(mark in value for value in request.headers.values() for mark in "\r\n\0"):
        raise NotAllowed("A header has a line break.")
    return asyncio.run(_send(request, host, port, anywhere=anywhere))


def checked(url: str, *, anywhere: bool = False) -> tuple[str, int]:
    """The host and the port of an address that may be called. Raises NotAllowed, which says why not."""
    try:
        parts = URL(url)  # as aiohttp reads it, so that both mean the same host
        host, port = parts.host or "", parts.port or 0
    except ValueError as error:
        raise NotAllowed("This is not an address.") from error
    if (
        not host
        or parts.scheme not in ("https", "http")
        or any(mark <= " " or mark == "\x7f" for mark in url)
    ):
        raise NotAllowed("An address begins with https:// and has no spaces.")
    if parts.scheme == "http" and not (anywhere or settings.TARGETS_PLAIN):
        raise NotAllowed(
            "The address must begin with https://. The site's setting TARGETS_PLAIN allows http."
        )
    if parts.user or parts.password:
        raise NotAllowed("The address must not contain a user name or a password.")
    return host, port


def check_address(host: str, address: str) -> None:
    """Raise NotAllowed if this address of a host leads inside and is in no network of TARGETS_PRIVATE."""
    one = ip_address(address.partition("%")[0])
    embedded = one.ipv4_mapped if isinstance(one, IPv6Address) else None
    plain: Address = embedded or one
    if any(plain in network for network in settings.TARGETS_PRIVATE):
        return
    if not plain.is_global or plain.is_multicast or any(plain in network for network in INSIDE):
        raise NotAllowed(
            f"{host} leads to {address}, which is not a public address."
            " The site's setting TARGETS_PRIVATE lists private networks that are allowed."
        )


class _Resolved(AbstractResolver):
    """Answers with the addresses that were checked, and asks nobody."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self.addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in self.addresses
        ]

    async def close(self) -> None:
        pass


async def _send(request: Request, host: str, port: int, *, anywhere: bool) -> Answer:
    try:
        async with asyncio.timeout(WHOLE):
            addresses = await _addresses(host, port)
            if not anywhere:
                for address in addresses:
                    check_address(host, address)
            return await _exchange(request, addresses)
    except TimeoutError as error:
        raise Unreachable("It did not answer in time.") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise Unreachable(_said(error)) from error


async def _addresses(host: str, port: int) -> list[str]:
    async with asyncio.timeout(CONNECTING):
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


async def _exchange(request: Request, addresses: Sequence[str]) -> Answer:
    connector = aiohttp.TCPConnector(resolver=_Resolved(addresses), use_dns_cache=False, limit=1)
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=WHOLE, connect=CONNECTING, sock_connect=CONNECTING),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        headers={"User-Agent": "Lookout", "Accept-Encoding": "identity"},
    ) as session:
        sending = session.request(
            request.method,
            request.url,
            data=request.body or None,
            headers=dict(request.headers),
            allow_redirects=False,
        )
        async with sending as answer:
            body = await _first_bytes(answer)
            return Answer(answer.status, body, answer.headers.get("Retry-After", ""))


async def _first_bytes(answer: aiohttp.ClientResponse) -> bytes:
    body = b""
    while len(body) < READ and (more := await answer.content.read(READ - len(body))):
        body += more
    return body


def _said(error: BaseException) -> str:
    """What happened, without what a library adds to it."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
        return f"Its certificate was not accepted: {error}"
    if isinstance(error, socket.gaierror):
        return "Its name is not known."
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "It closed the connection without an answer."
    if isinstance(error, aiohttp.InvalidURL):  # its text would be the address, which may be a secret
        return "This is not an address."
    cause = getattr(error, "os_error", None) or error
    if isinstance(cause, ConnectionRefusedError):
        return "It refused the connection."
    return str(cause) or type(cause).__name__
