"""The bodies of the supervisor dialect, each declared once (protocol.md, Supervisor dialect).

JSON or, from scripts with curl, a form: `parse_body` takes either. Parsed as those of the native dialect are:
strict about types, blind to keys that are not named here; in a form a number is a text that looks like one.
What is named and not used is checked all the same, so that a supervisor learns of its mistake.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeVar
from urllib.parse import parse_qsl

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from devices.ingest.http import Refused, header, query
from devices.ingest.native.bodies import (
    NO_NUL,
    UUID,
    WORDS,
    Body,
    Name,
    Text,
    UpdateStatus,
    Uuid,
    explained,
    parse,
)

if TYPE_CHECKING:
    from devices.ingest.http import Request

DIGITS: Final = r"^[0-9]{1,18}$(?!\n)"
WORDS[DIGITS] = "of digits"

# A text of any length: it is cut where it is stored.
Words = Annotated[str, Meta(pattern=NO_NUL)]
Number = int | float
Id = Annotated[int, Meta(ge=1, le=2**63 - 1)]


class Registration(Struct):
    application: Annotated[int, Meta(ge=0)] | Annotated[str, Meta(pattern=DIGITS)]
    uuid: Uuid
    device_type: Text
    api_key: Words | None = None
    supervisor_version: Words | None = None
    os_version: Words | None = None
    os_variant: Words | None = None
    mac_address: Words | None = None

    def state(self) -> State:
        """What it says of itself besides."""
        return State(
            os_version=self.os_version,
            supervisor_version=self.supervisor_version,
            mac_address=self.mac_address,
        )


class KeyExchange(Struct, rename="camel"):
    api_key: Words | None = None


Value = Words | int | bool


class ConfigVariable(Struct):
    device: Id
    name: Name
    value: Value


class Settings(Struct, rename=lambda name: name if name == "device_name" else name.upper()):
    """What a device may set of itself, each variable by either of its names."""

    device_name: Words | None = None
    balena_supervisor_poll_interval: Value | None = None
    resin_supervisor_poll_interval: Value | None = None
    balena_supervisor_vpn_control: Value | None = None
    resin_supervisor_vpn_control: Value | None = None

    def variables(self) -> dict[str, Value]:
        """Those that are set."""
        values = {name.upper(): getattr(self, name) for name in self.__struct_fields__}
        return {name: value for name, value in values.items() if name != "DEVICE_NAME" and value is not None}


class Service(Struct):
    """A container; a status that we do not know says nothing."""

    status: Words | None = None
    download_progress: Number | None = None


class Release(Struct):
    update_status: UpdateStatus | None = None
    services: dict[str, Service | None] | None = None


class App(Struct):
    release_uuid: Words | None = None
    releases: dict[str, Release | None] | None = None


class State(Struct):
    """What both forms of a report say of the device. Null: it has that no more."""

    status: Words | UnsetType | None = UNSET
    os_version: Words | UnsetType | None = UNSET
    os_variant: Literal["prod", "dev"] | UnsetType | None = UNSET
    supervisor_version: Words | UnsetType | None = UNSET
    provisioning_state: Words | UnsetType | None = UNSET
    provisioning_progress: Number | UnsetType | None = UNSET
    ip_address: Words | UnsetType | None = UNSET
    mac_address: Words | UnsetType | None = UNSET
    api_port: Number | UnsetType | None = UNSET
    cpu_usage: Number | UnsetType | None = UNSET
    cpu_temp: Number | UnsetType | None = UNSET
    memory_usage: Number | UnsetType | None = UNSET
    memory_total: Number | UnsetType | None = UNSET
    storage_usage: Number | UnsetType | None = UNSET
    storage_total: Number | UnsetType | None = UNSET
    storage_block_device: Words | UnsetType | None = UNSET
    cpu_id: Words | UnsetType | None = UNSET
    is_undervolted: bool | UnsetType | None = UNSET


class State3(State):
    apps: dict[str, App | None] | UnsetType | None = UNSET


class Service2(Service, rename={"release_id": "releaseId"}):
    release_id: Number | None = None


class App2(Struct):
    services: dict[str, Service2 | None] | None = None


class State2(State):
    download_progress: Number | UnsetType | None = UNSET
    apps: dict[str, App2 | None] | UnsetType | None = UNSET


class Report2(Struct):
    local: State2 | None = None


class Instance(Struct):
    """A VPN server that starts."""

    ip_address: Text | None = None


class Sign(Struct):
    is_alive: bool


class Clients(Struct, rename={"service_id": "serviceId"}):
    """Devices that connected to a VPN server, or disconnected from it; the path says which."""

    service_id: Id
    uuids: list[Words]
    connected: bool | None = None


Fields = TypeVar("Fields", bound=Struct)


def parse_body(type_: type[Fields], request: Request) -> Fields:
    """The body as this type. Raises Refused (400)."""
    return parse_form(type_, request.body) if _is_form(request) else parse(type_, request.body)


def _is_form(request: Request) -> bool:
    """As it says; but curl says so of every body that it is not told otherwise of, of JSON too."""
    content_type = (header(request.scope, b"content-type") or b"").partition(b";")[0].strip().lower()
    return content_type == FORM and request.body.lstrip()[:1] not in {b"{", b"["}


def parse_by_uuid(type_: type[Body], body: bytes) -> tuple[str, Body]:
    """The one device that a body is about, and what stands under its UUID. Raises Refused (400)."""
    by_uuid = parse(dict[str, msgspec.Raw], body)
    uuids = [key for key in by_uuid if re.fullmatch(UUID, key)]
    if len(uuids) != 1:
        raise Refused(400, "Expected the UUID of one device as key.", "body")
    return uuids[0], parse(type_, bytes(by_uuid[uuids[0]]))


def parse_form(type_: type[Fields], body: bytes) -> Fields:
    """A form, an empty value of which is null. Raises Refused (400)."""
    try:
        fields = dict(parse_qsl(body.decode(), keep_blank_values=True))
    except ValueError as error:  # no UTF-8
        raise Refused(400, "The body is not a valid form in UTF-8.", "body") from error
    try:
        converted = msgspec.convert(
            {name: text or None for name, text in fields.items()}, type_, strict=False
        )
    except msgspec.ValidationError as error:
        raise Refused(400, *explained(str(error))) from error
    for field in msgspec.structs.fields(type_):
        text, value = fields.get(field.encode_name), getattr(converted, field.name)
        # As nan, infinity or 1e3, which no JSON and nobody's progress is.
        if text and type(value) in {int, float} and not re.fullmatch(NUMBER, text):
            raise Refused(400, "Expected a number", field.encode_name)
    return converted


FILTER: Final = r"\(?uuid\)? eq \(?'([0-9a-f]{32}|[0-9a-f]{62})'\)?"


def named_uuid(request: Request) -> str:
    """The UUID in the path, or in `$filter=uuid eq 'UUID'`; raises Refused (400) where neither names one."""
    if uuid := request.named.get("uuid"):
        if not re.fullmatch(UUID, uuid):
            raise Refused(400, f"Expected text {WORDS[UUID]}", "uuid")
        return uuid
    match = re.fullmatch(FILTER, query(request.scope).get("$filter", ""))
    if match is None:
        raise Refused(400, "Expected uuid eq and the UUID of a device", "$filter")
    return match[1]


FORM: Final = b"application/x-www-form-urlencoded"
NUMBER: Final = r"-?[0-9]{1,18}(\.[0-9]{1,18})?"
