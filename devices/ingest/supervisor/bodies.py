"""The types of the request bodies of the supervisor dialect, and their parsers (protocol.md).

A body is JSON or, from scripts with curl, a form: `parse_body` takes either. Parsing is strict about types
and ignores keys that are not declared; in a form a number is a text that looks like one. Fields that are
declared and not used are checked, so that a supervisor learns of its mistake.
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

# A text of any length, which is cut where it is stored.
Words = Annotated[str, Meta(pattern=NO_NUL)]
Number = int | float
Id = Annotated[int, Meta(ge=1, le=2**63 - 1)]


class Registration(Struct):
    """A device that registers itself; `api_key` is a key that it chose, if it did."""

    application: Annotated[int, Meta(ge=0)] | Annotated[str, Meta(pattern=DIGITS)]
    uuid: Uuid
    device_type: Text
    api_key: Words | None = None
    supervisor_version: Words | None = None
    os_version: Words | None = None
    os_variant: Words | None = None
    mac_address: Words | None = None

    def state(self) -> State:
        """What the registration reports about the device, as a report would."""
        return State(
            os_version=self.os_version,
            supervisor_version=self.supervisor_version,
            mac_address=self.mac_address,
        )


class KeyExchange(Struct, rename="camel"):
    """A device's exchange of its key for one that it chose, or without one for a new key of ours."""

    api_key: Words | None = None


Value = Words | int | bool


class ConfigVariable(Struct):
    """One configuration variable that a device sets for itself."""

    device: Id
    name: Name
    value: Value


class Settings(Struct, rename=lambda name: name if name == "device_name" else name.upper()):
    """The name and the variables that a device may set for itself, each variable by either of its names."""

    device_name: Words | None = None
    balena_supervisor_poll_interval: Value | None = None
    resin_supervisor_poll_interval: Value | None = None
    balena_supervisor_vpn_control: Value | None = None
    resin_supervisor_vpn_control: Value | None = None

    def variables(self) -> dict[str, Value]:
        """The variables that are present, by name."""
        values = {name.upper(): getattr(self, name) for name in self.__struct_fields__}
        return {name: value for name, value in values.items() if name != "DEVICE_NAME" and value is not None}


class Service(Struct):
    """A container of a release; a status other than Downloading is ignored."""

    status: Words | None = None
    download_progress: Number | None = None


class Release(Struct):
    """A release with its containers, by name."""

    update_status: UpdateStatus | None = None
    services: dict[str, Service | None] | None = None


class App(Struct):
    """An app with the UUID of the release that runs, and its releases by UUID."""

    release_uuid: Words | None = None
    releases: dict[str, Release | None] | None = None


class State(Struct):
    """The fields of a device that the v2 and the v3 form of a report share.

    Null: the device has that no more.
    """

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
    """The report of a device in the v3 form; `apps` by UUID."""

    apps: dict[str, App | None] | UnsetType | None = UNSET


class Service2(Service, rename={"release_id": "releaseId"}):
    """A container in the v2 form of a report."""

    release_id: Number | None = None


class App2(Struct):
    """An app in the v2 form of a report, with its containers by id."""

    services: dict[str, Service2 | None] | None = None


class State2(State):
    """The report of a device in the v2 form; `apps` by id, and the commit of the release that runs."""

    is_on__commit: Words | UnsetType | None = UNSET
    download_progress: Number | UnsetType | None = UNSET
    apps: dict[str, App2 | None] | UnsetType | None = UNSET


class Report2(Struct):
    """The body of a report in the v2 form."""

    local: State2 | None = None


class Instance(Struct):
    """A VPN server that starts."""

    ip_address: Text | None = None


class Sign(Struct):
    """A VPN server's life sign."""

    is_alive: bool


class Clients(Struct, rename={"service_id": "serviceId"}):
    """Devices that connected to a VPN server, or disconnected from it; the path says which."""

    service_id: Id
    uuids: list[Words]
    connected: bool | None = None


Fields = TypeVar("Fields", bound=Struct)


def parse_body(type_: type[Fields], request: Request) -> Fields:
    """The body, JSON or a form, as this type. Raises Refused (400)."""
    return parse_form(type_, request.body) if _is_form(request) else parse(type_, request.body)


def _is_form(request: Request) -> bool:
    """Whether the body is a form: it says so, and does not look like JSON, which curl sends as a form too."""
    content_type = (header(request.scope, b"content-type") or b"").partition(b";")[0].strip().lower()
    return content_type == FORM and request.body.lstrip()[:1] not in {b"{", b"["}


def parse_by_uuid(type_: type[Body], body: bytes) -> tuple[str, Body]:
    """The UUID of the one device that a JSON body is about, and its value under it. Raises Refused (400)."""
    by_uuid = parse(dict[str, msgspec.Raw], body)
    uuids = [key for key in by_uuid if re.fullmatch(UUID, key)]
    if len(uuids) != 1:
        raise Refused(400, "Expected the UUID of one device as key.", "body")
    return uuids[0], parse(type_, bytes(by_uuid[uuids[0]]))


def parse_form(type_: type[Fields], body: bytes) -> Fields:
    """A form as this type; an empty value is null. Raises Refused (400)."""
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
        # Python reads nan, infinity and 1e3 as numbers, which are none in a report.
        if text and type(value) in {int, float} and not re.fullmatch(NUMBER, text):
            raise Refused(400, "Expected a number", field.encode_name)
    return converted


FILTER: Final = r"\(?uuid\)? eq \(?'([0-9a-f]{32}|[0-9a-f]{62})'\)?"


def named_uuid(request: Request) -> str:
    """The UUID in the path, or in the parameter `$filter=uuid eq 'UUID'`.

    Raises Refused (400) without one.
    """
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
