"""The bodies of the native dialect, each declared once (protocol.md).

From these types come the parsing, the field named in an error and the published schema.
Strict: a number as text is refused; keys that are not named here are ignored. 40.0 is an integer, as in JSON
Schema: many languages write every number so.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from devices.ingest.http import Refused
from fleets.text import kept

# PostgreSQL keeps no NUL in a text.
NO_NUL: Final = r"^[^\x00]*$"
# `(?!\n)`: Python's `$` also matches before a last line feed.
UUID: Final = r"^([0-9a-f]{32}|[0-9a-f]{62})$(?!\n)"

WORDS: Final = {
    NO_NUL: "without NUL characters",
    UUID: "of 32 or 62 lower-case hexadecimal digits",
}

Text = Annotated[str, Meta(max_length=255, pattern=NO_NUL)]
Name = Annotated[str, Meta(min_length=1, max_length=255, pattern=NO_NUL)]
Uuid = Annotated[str, Meta(pattern=UUID)]
Texts = Annotated[list[Text], Meta(max_length=64)]
Percent = Annotated[int, Meta(ge=0, le=100)]
Amount = Annotated[int, Meta(ge=0, le=2**63 - 1)]

UpdateStatus = Literal["rejected", "aborted", "downloading", "downloaded", "applying changes", "done"]


class Metrics(Struct):
    """Null, or a value that the sensor cannot mean: no data from it.

    That is a CPU outside 0 to 100 percent, a temperature outside -60 to 150 degrees Celsius, and more than
    a petabyte. More used than there is in total is shown as no data too.
    """

    cpu_percent: float | UnsetType | None = UNSET
    memory_used: Amount | UnsetType | None = UNSET
    memory_total: Amount | UnsetType | None = UNSET
    storage_used: Amount | UnsetType | None = UNSET
    storage_total: Amount | UnsetType | None = UNSET
    temperature: float | UnsetType | None = UNSET
    undervolted: bool | UnsetType | None = UNSET


class Report(Struct):
    """What a device says of itself: any subset; what is absent is unchanged."""

    os_version: Text | UnsetType = UNSET
    supervisor_version: Text | UnsetType = UNSET
    release: Text | UnsetType = UNSET
    target_release: Text | UnsetType = UNSET
    ip_addresses: Texts | UnsetType = UNSET
    mac_addresses: Texts | UnsetType = UNSET
    provisioning_state: Text | UnsetType = UNSET
    provisioning_progress: Percent | UnsetType | None = UNSET
    update_status: UpdateStatus | UnsetType = UNSET
    update_progress: Percent | UnsetType | None = UNSET
    metrics: Metrics | UnsetType = UNSET

    def changes(self) -> dict[str, Any]:
        """The fields it names, as `devices.operations.reports` takes them."""
        changes: dict[str, Any] = msgspec.to_builtins(self)
        return changes


class Registration(Struct):
    uuid: Uuid | None = None
    name: Text = ""
    device_type: Text = ""


class Link(Struct):
    """A device at a VPN server, in one session of it."""

    uuid: Text
    session: Name


class Links(Struct):
    """Devices that connected to a VPN server, or disconnected from it."""

    server: Name
    devices: list[Text | Link]

    def __post_init__(self) -> None:
        self.server = kept(self.server)[:255]

    def uuids(self) -> list[str]:
        return [device if isinstance(device, str) else device.uuid for device in self.devices]

    def sessions(self) -> dict[str, str]:
        return {link.uuid: link.session for link in self.devices if isinstance(link, Link)}


class Alive(Struct):
    """A VPN server's sign of life. `boot` tells one life of its process from the next."""

    server: Name
    boot: Name | None = None
    connected: list[Text] | None = None

    def __post_init__(self) -> None:
        self.server = kept(self.server)[:255]


Body = TypeVar("Body")


def parse(type_: type[Body], body: bytes) -> Body:
    """The body as this type; an empty one is an empty object. Raises Refused (400)."""
    try:
        return _decoded(type_, body or b"{}")
    except msgspec.ValidationError as error:
        raise Refused(400, *explained(str(error))) from error
    except (ValueError, RecursionError) as error:
        raise Refused(400, "The body is not valid JSON in UTF-8.", "body") from error


def _decoded(type_: type[Body], body: bytes) -> Body:
    try:
        return msgspec.json.decode(body, type=type_)
    except msgspec.ValidationError as error:
        if "got `float`" not in str(error):
            raise
    return msgspec.convert(_with_integers(msgspec.json.decode(body)), type_)


def _with_integers(value: Any) -> Any:
    """The same with each float that is whole as an integer."""
    if isinstance(value, dict):
        return {name: _with_integers(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_with_integers(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def explained(message: str) -> tuple[str, str]:
    """The error and the field it is about, from the text msgspec gives.

    >>> explained("Expected `int`, got `str` - at `$.metrics.memory_used`")
    ('Expected `int`, got `str`', 'metrics.memory_used')
    """
    error, _, path_start = message.partition(" - at `$")
    path = [path_start.rstrip("`").removeprefix(".")] if path_start else []
    if missing := re.fullmatch(r"Object missing required field `(.*)`", error):
        path.append(missing[1])
    if pattern := re.search(r" matching regex (.*)$", error):
        error = f"Expected text {words_for(pattern[1])}"
    return error, ".".join(path) or "body"


def words_for(quoted: str) -> str:
    return next(words for pattern, words in WORDS.items() if repr(pattern) == quoted)
