"""Templates of device links: an address or a command, with names in braces that stand for facts of a device.

What begins with one of SCHEMES is an address, anything else a command for a person to copy. Devices and
people write the facts, so each is kept from being more than a value: in an address it is encoded (RFC 3986),
and in a command one that a shell could take for anything else is refused. Quoting would not do, as a command
may have quotes around it, and may hand it to a second shell on another machine.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv6Address
from itertools import chain, zip_longest
from typing import Final
from urllib.parse import quote, urlsplit

from django.core.exceptions import ValidationError

from devices.words import of_site
from fleets.text import isolated, short

LONGEST: Final = 500  # characters
SCHEMES: Final = ("https", "http", "ssh")
TAG: Final = "tag:"  # and the name of a tag
# Facts that a device may lack, and what is said of it then.
MISSING: Final[dict[str, str]] = {
    "name": "The device has no name.",
    "ip": "The device has not reported a local IP.",
    "public_ip": "The device has no public IP yet.",
    "mac": "The device has not reported a MAC.",
    "type": "The device has no type.",
    "os_version": "The device has not reported an OS version.",
    "release": "The device has not reported a release.",
}
NAMES: Final = ("uuid", "short_uuid", "organization", "fleet", *MISSING)
NO_TAG: Final = "The device has no value for the tag “{tag}”."
NOT_IN_COMMAND: Final = "The command is not shown, because a shell could misread the value of {name}."
NOT_IN_ADDRESS: Final = "The link is not shown, because the value of {name} cannot stand there in an address."

PLACE: Final = re.compile(r"\{([^{}]*)\}")
SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
AUTHORITY: Final = re.compile(rf"(?:{'|'.join(SCHEMES)})://[^/?#]*")
PLAIN: Final = re.compile(r"[A-Za-z0-9@+=:,./_%][A-Za-z0-9@+=:,./_%-]*")  # to a shell; no option of a command
HOST: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
DOTS: Final = re.compile(r"\.+")  # a browser takes them for levels of the path, encoded or not


@dataclass(frozen=True)
class Filled:
    """A template with the facts of a device; where there is none, `problem` says why in a sentence."""

    text: str = ""
    problem: str = ""


def checked(template: str) -> str:
    """The template, its scheme in lower case. Raises ValidationError, which says why it cannot be used."""
    for name in names_in(template):
        if name not in NAMES and not (name.startswith(TAG) and name != TAG):
            raise ValidationError(_unknown(name))
    if re.search(r"[{}]", PLACE.sub("", template)):
        raise ValidationError("There is a brace without a name. Write names as in {ip}.")
    if (scheme := SCHEME.match(template)) is None:
        return template
    template = scheme[0].lower() + template[scheme.end() :]
    if not is_address(template):
        raise ValidationError(
            f"A link begins with https://, http:// or ssh://, and this begins with {short(scheme[0])}."
        )
    if not _is_whole(template):
        raise ValidationError(
            "The address is not complete. Check its host and its port, and leave out spaces."
        )
    return template


def _unknown(name: str) -> str:
    known = ", ".join(f"{{{each}}}" for each in NAMES)
    return f"{{{short(name)}}} is not known. Use {known}, or {{tag:NAME}} with the name of a tag."


def _is_whole(template: str) -> bool:
    """Whether the address can be opened where each value is a digit."""
    try:
        parts = urlsplit(PLACE.sub("1", template))
        return bool(parts.hostname) and parts.port != 0 and not re.search(r"[\s\\]", template)
    except ValueError:
        return False


def names_in(template: str) -> list[str]:
    """The names between braces, as they stand there."""
    return PLACE.findall(template)


def is_address(template: str) -> bool:
    """Whether it is an address to open; else it is a command to copy."""
    return AUTHORITY.match(template) is not None


def fill(template: str, values: Mapping[str, str]) -> Filled:
    """A `checked` template with a device's facts, by their names; one that it lacks is empty or absent."""
    names = names_in(template)
    if lacking := [name for name in names if not values.get(name)]:
        return Filled(problem=_missing(lacking[0]))
    authority = AUTHORITY.match(template)
    host_end = authority.end() if authority else 0
    safe = [
        (_in_host if place.end() <= host_end else _in_path if authority else _in_command)(values[place[1]])
        for place in PLACE.finditer(template)
    ]
    if "" in safe:
        sentence = NOT_IN_ADDRESS if authority else NOT_IN_COMMAND
        return Filled(problem=of_site(sentence, name=isolated(f"{{{names[safe.index('')]}}}")))
    texts = PLACE.split(template)[::2]
    return Filled("".join(chain.from_iterable(zip_longest(texts, safe, fillvalue=""))))


def _missing(name: str) -> str:
    return of_site(MISSING.get(name, NO_TAG), tag=isolated(name.removeprefix(TAG)))


# What stands for a value: empty where it must not stand there.


def _in_command(value: str) -> str:
    return value if PLAIN.fullmatch(value) else ""


def _in_path(value: str) -> str:
    return "" if DOTS.fullmatch(value) else quote(value, safe="")


def _in_host(value: str) -> str:
    if HOST.fullmatch(value):
        return value
    try:
        return f"[{IPv6Address(value.partition('%')[0])}]"
    except ValueError:
        return ""
