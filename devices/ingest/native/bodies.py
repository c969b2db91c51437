"""The types of the request bodies of the native dialect (protocol.md), and their parser.

Parsing, the field that an error names and the published schema all follow from these types. Parsing is
strict: a number as text is refused. Keys that are not declared are ignored. 40.0 is an integer, as in JSON
Schema, since many languages write every number so.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from devices.ingest.http import Refused
from fleets.text import kept

# PostgreSQL stores no NUL in a text.
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
    """Null, or an impossible value: no data from that sensor.

    Impossible are a CPU outside 0 to 100 percent, a temperature outside -60 to 150 degrees Celsius, and more
    than a petabyte. More used than there is in total is shown as no data.
    """

    cpu_percent: float | UnsetType | None = UNSET
    memory_used: Amount | UnsetType | None = UNSET
    memory_total: Amount | UnsetType | None = UNSET
    storage_used: Amount | UnsetType | None = UNSET
    storage_total: Amount | UnsetType | None = UNSET
    temperature: float | UnsetType | None = UNSET
    undervolted: bool | UnsetType | None = UNSET


class Report(Struct):
    """What a device reports about itself: any subset of the fields; an absent field is unchanged."""

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
        """The fields that are present, as the payload that `devices.operations.reports` takes."""
        changes: dict[str, Any] = msgspec.to_builtins(self)
        return changes


class Registration(Struct):
    """A device that registers itself; without a UUID it is given one."""

    uuid: Uuid | None = None
    name: Text = ""
    device_type: Text = ""


class Link(Struct):
    """A device at a VPN server, with the session of its connection."""

    uuid: Text
    session: Name


class Links(Struct):
    """Devices that connected to a VPN server, or disconnected from it."""

    server: Name
    devices: list[Text | Link]

    def __post_init__(self) -> None:
        self.server = kept(self.server)[:255]

    def uuids(self) -> list[str]:
        """The UUIDs of all devices, in the order given."""
        return [device if isinstance(device, str) else device.uuid for device in self.devices]

    def sessions(self) -> dict[str, str]:
        """The sessions that are named, by UUID."""
        return {link.uuid: link.session for link in self.devices if isinstance(link, Link)}


class Alive(Struct):
    """A VPN server's life sign. `boot` names the life of its process, `connected` all its devices."""

    server: Name
    boot: Name | None = None
    connected: list[Text] | None = None

    def __post_init__(self) -> None:
        self.server = kept(self.server)[:255]


Body = TypeVar("Body")


def parse(type_: type[Body], body: bytes) -> Body:
    """The JSON body as this type; an empty body is taken as an empty object. Raises Refused (400)."""
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
    """A JSON value with every float that is whole replaced by an integer."""
    if isinstance(value, dict):
        return {name: _with_integers(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_with_integers(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def explained(message: str) -> tuple[str, str]:
    """The error and the field that it is about, from a message of msgspec.

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
    """What a text must be like, in words, given a pattern of WORDS as msgspec quotes it."""
    return next(words for pattern, words in WORDS.items() if repr(pattern) == quoted)
