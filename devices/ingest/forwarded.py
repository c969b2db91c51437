"""Parsing what proxies add to a request: X-Forwarded-For and X-Forwarded-Proto, or Forwarded (RFC 7239).

Whom to believe is decided in devices.ingest.client_address.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from typing import Final

Headers = Iterable[tuple[bytes, bytes]]

NAMES: Final = (b"x-forwarded-for", b"x-forwarded-proto", b"forwarded")
SCHEMES: Final = ("https", "http")
HOPS: Final = 32  # entries of a list that are read: no chain of proxies is longer
ENTRY: Final = 100  # characters of an address with its port, brackets and quotes
LONGEST: Final = 4096  # characters of Forwarded that are read
# An address with a port; an IPv6 address is in brackets, with or without a port.
NODE: Final = re.compile(r"\[([^\[\]]+)\](?::\w+)?|([\d.]+):\w+")
NAME: Final = r"[!#$%&'*+.^_`|~\w-]++"
# Some proxies leave out the quotes that an address with a colon needs.
PAIR: Final = re.compile(
    rf'[ \t]*+(?:({NAME})=("(?:[^"\\]|\\.)*+"|[^\s",;]*+))?[ \t]*+([;,]|\Z)', re.ASCII | re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Chain:
    """The hops that one kind of header names, as it was written, from the farthest to the nearest."""

    nodes: list[str]  # addresses; an empty text where an element has none
    schemes: list[str]  # in lower case


def read(headers: Headers) -> list[Chain]:
    """The chain of X-Forwarded-For and -Proto, and that of Forwarded; without one that names nothing."""
    lines: dict[bytes, list[str]] = {}
    for name, value in headers:
        if name in NAMES:
            lines.setdefault(name, []).append(value.decode("latin-1"))
    if not lines:
        return []
    elements = _elements(lines.get(b"forwarded", []))
    named = any("for" in element for element in elements)
    chains = [
        Chain(_listed(lines.get(b"x-forwarded-for")), _listed(lines.get(b"x-forwarded-proto"))),
        Chain(
            [element.get("for", "") for element in elements] if named else [],
            [element.get("proto", "").lower() for element in elements],
        ),
    ]
    return [chain for chain in chains if chain.nodes or chain.schemes]


def _listed(lines: list[str] | None) -> list[str]:
    """The entries of a list header of one or several lines, without empty ones (RFC 9110, 5.6.1)."""
    entries = ",".join(lines or []).lower().rsplit(",", HOPS)
    return [stripped for entry in entries if (stripped := entry.strip())]


def _elements(lines: list[str]) -> list[dict[str, str]]:
    """The elements of Forwarded, each as its parameters.

    One with an empty address for each malformed line.
    """
    if sum(map(len, lines)) > LONGEST:
        return [{"for": ""}]
    return [element for line in lines for element in _of_line(line)]


def _of_line(line: str) -> list[dict[str, str]]:
    """The elements of one line of Forwarded; one with an empty address where the line is malformed.

    A line is parsed as a whole: a caller that opens a quoted text must not hide what proxies append.
    """
    elements: list[dict[str, str]] = [{}]
    position = 0
    while position < len(line):
        pair = PAIR.match(line, position)
        if pair is None:
            return [{"for": ""}]
        if pair[1]:
            elements[-1][pair[1].lower()] = _unquoted(pair[2])
        if pair[3] == ",":
            elements.append({})
        position = pair.end()
    return [element for element in elements if element]


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL) if text.startswith('"') else text


def address(text: str) -> str:
    """The address of an entry, which may have a port, brackets or quotes; empty if it names none."""
    if len(text) > ENTRY:  # `canonical` caches its arguments
        return ""
    text = text.strip().strip('"')
    found = NODE.fullmatch(text)
    return canonical(found[1] or found[2] if found else text)


@lru_cache(maxsize=1024)
def canonical(text: str) -> str:
    """An address as PostgreSQL writes it (IPv4 in IPv6 unwrapped); empty if it is none."""
    try:
        address = ip_address(text.strip())
    except ValueError:
        return ""
    return str(getattr(address, "ipv4_mapped", None) or address).partition("%")[0]
