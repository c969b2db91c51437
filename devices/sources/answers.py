"""What the API answers, as types: only what is read of it. Unknown parts are ignored.

Source: recorded answers of open-balena-api 49 (tests/devices/sources/recorded). A list of one row stands
for a row of another resource, and `{"__id": 1}` for its id alone.
"""

from __future__ import annotations

from datetime import datetime
from typing import Generic, TypeVar

import msgspec

from devices.sources.client import Failed

Row = TypeVar("Row")


class Rows(msgspec.Struct, Generic[Row]):
    """The rows of an answer."""

    d: list[Row]


class Person(msgspec.Struct):
    """Whose token it is."""

    actorType: str = ""  # noqa: N815 - its name there
    username: str = ""


class Reference(msgspec.Struct, rename={"id": "__id"}):
    """The id of a row of another resource."""

    id: int


class Slug(msgspec.Struct):
    slug: str


class Variable(msgspec.Struct):
    name: str
    value: str


class Tag(msgspec.Struct):
    tag_key: str
    value: str


class Release(msgspec.Struct):
    commit: str = ""


class Organization(msgspec.Struct):
    handle: str = ""
    name: str = ""


class Application(msgspec.Struct):
    """A fleet there."""

    id: int
    app_name: str
    slug: str
    is_of__class: str = "fleet"
    is_host: bool = False
    is_for__device_type: list[Slug] = []
    organization: list[Organization] = []
    application_config_variable: list[Variable] = []


class Links(msgspec.Struct):
    """What a quick sweep reads of a device."""

    id: int
    api_heartbeat_state: str | None = None
    changed_api_heartbeat_state_on__date: datetime | None = None
    is_connected_to_vpn: bool | None = None
    last_vpn_event: datetime | None = None
    is_managed_by__service_instance: Reference | None = None
    provisioning_state: str | None = None
    provisioning_progress: float | None = None
    overall_status: str | None = None
    overall_progress: float | None = None
    update_status: str | None = None


class RemoteDevice(Links, kw_only=True):
    """What a whole sweep reads of a device."""

    uuid: str
    belongs_to__application: Reference
    device_name: str | None = None
    note: str | None = None
    created_at: datetime | None = None
    is_active: bool | None = None
    os_version: str | None = None
    os_variant: str | None = None
    supervisor_version: str | None = None
    ip_address: str | None = None
    mac_address: str | None = None
    public_address: str | None = None
    memory_usage: float | None = None
    memory_total: float | None = None
    storage_usage: float | None = None
    storage_total: float | None = None
    cpu_usage: float | None = None
    cpu_temp: float | None = None
    is_undervolted: bool | None = None
    is_of__device_type: list[Slug] = []
    is_running__release: list[Release] = []
    should_be_running__release: list[Release] = []
    device_tag: list[Tag] = []
    device_config_variable: list[Variable] = []


class ServiceInstance(msgspec.Struct):
    """A VPN server there."""

    id: int
    ip_address: str | None = None
    last_heartbeat: datetime | None = None


def decoded(body: bytes, kind: type[Row]) -> Row:
    """The answer as this type. Raises Failed where it is something else."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as error:
        raise Failed("Its answer is not that of an API of balena.") from error
