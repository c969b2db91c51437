"""What proxies say in a request's headers: X-Forwarded-For and X-Forwarded-Proto, or Forwarded (RFC 7239).

Only read here; whom to believe is decided in devices.ingest.client_address.
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
HOPS: Final = 32  # entries of a list that are looked at: no chain of proxies is longer
ENTRY: Final = 100  # characters of an address with all that stands around it
LONGEST: Final = 4096  # characters of Forwarded that are looked at
# An address, perhaps with a port; one of IPv6 is then in brackets.
NODE: Final = re.compile(r"\[([^\[\]]+)\](?::\w+)?|([\d.]+):\w+")
NAME: Final = r"[!#$%&'*+.^_`|~\w-]++"
# Some proxies leave out the quotes that an address with a colon needs.
PAIR: Final = re.compile(
    rf'[ \t]*+(?:({NAME})=("(?:[^"\\]|\\.)*+"|[^\s",;]*+))?[ \t]*+([;,]|\Z)', re.ASCII | re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Way:
    """What one kind of header says, as it was written: of each hop, from the farthest to the nearest."""

    nodes: list[str]  # empty where an element has no address
    schemes: list[str]  # in small letters


def read(headers: Headers) -> list[Way]:
    """What X-Forwarded-For and -Proto say, and what Forwarded says, without what says nothing."""
    lines: dict[bytes, list[str]] = {}
    for name, value in headers:
        if name in NAMES:
            lines.setdefault(name, []).append(value.decode("latin-1"))
    if not lines:
        return []
    elements = _elements(lines.get(b"forwarded", []))
    named = any("for" in element for element in elements)
    ways = [
        Way(_listed(lines.get(b"x-forwarded-for")), _listed(lines.get(b"x-forwarded-proto"))),
        Way(
            [element.get("for", "") for element in elements] if named else [],
            [element.get("proto", "").lower() for element in elements],
        ),
    ]
    return [way for way in ways if way.nodes or way.schemes]


def _listed(lines: list[str] | None) -> list[str]:
    """The entries of a list that may go over several lines; empty ones do not count (RFC 9110, 5.6.1)."""
    entries = ",".join(lines or []).lower().rsplit(",", HOPS)
    return [stripped for entry in entries if (stripped := entry.strip())]


def _elements(lines: list[str]) -> list[dict[str, str]]:
    """The elements of Forwarded; one without an address stands for a line that is malformed."""
    if sum(map(len, lines)) > LONGEST:
        return [{"for": ""}]
    return [element for line in lines for element in _of_line(line)]


def _of_line(line: str) -> list[dict[str, str]]:
    """Read as a whole or not at all: a caller that begins a quoted text must not hide what proxies append."""
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
    if len(text) > ENTRY:  # what is remembered of the last ones has a limit, too
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
