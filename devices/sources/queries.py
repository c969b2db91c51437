"""The addresses that are asked of a source: OData with keyset pages, in the form that its API takes.

Without `$orderby` rows come in any order, and an address of more than 16 kB is refused with status 431.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from devices.sources import intervals

WHOAMI: Final = "/actor/v1/whoami"
VERSION: Final = "v7"  # of the model
PER_PAGE: Final = {"application": 100, "device": 100, "service_instance": 500}  # rows
MOST_FLEETS: Final = 1500  # that a filter names: more would make the address too long
ACCESSIBLE: Final = "is_directly_accessible_by__user/any(dau:true)"
VARIABLES: Final = (
    "$select=name,value;$filter=name in ("
    "'BALENA_SUPERVISOR_VPN_CONTROL','RESIN_SUPERVISOR_VPN_CONTROL',"
    f"'{intervals.COUNTED}')"
)
# What is asked of a row: a field, or with parentheses an expansion. The first ones every server has; which of
# the others it has is asked once (devices/sources/ladder.py).
NEEDED: Final[dict[str, tuple[str, ...]]] = {
    "application": ("id", "app_name", "slug"),
    "device": ("id", "uuid", "belongs_to__application", "api_heartbeat_state", "is_connected_to_vpn"),
    "service_instance": ("id", "ip_address", "last_heartbeat"),
}
WANTED: Final[dict[str, tuple[str, ...]]] = {
    "application": (
        "is_of__class",
        "is_host",
        "is_for__device_type($select=slug)",
        "organization($select=handle,name)",
        f"application_config_variable({VARIABLES})",
    ),
    "device": (
        "changed_api_heartbeat_state_on__date",
        "last_vpn_event",
        "is_managed_by__service_instance",
        "provisioning_state",
        "provisioning_progress",
        "overall_status",
        "overall_progress",
        "update_status",
        "device_name",
        "note",
        "created_at",
        "is_active",
        "os_version",
        "os_variant",
        "supervisor_version",
        "ip_address",
        "mac_address",
        "public_address",
        "memory_usage",
        "memory_total",
        "storage_usage",
        "storage_total",
        "cpu_usage",
        "cpu_temp",
        "is_undervolted",
        "is_of__device_type($select=slug)",
        "is_running__release($select=commit)",
        "should_be_running__release($select=commit)",
        "device_tag($select=tag_key,value)",
        f"device_config_variable({VARIABLES})",
    ),
    "service_instance": (),
}
# What a quick sweep asks of a device.
QUICK: Final = (
    "id",
    "api_heartbeat_state",
    "changed_api_heartbeat_state_on__date",
    "is_connected_to_vpn",
    "last_vpn_event",
    "is_managed_by__service_instance",
    "provisioning_state",
    "provisioning_progress",
    "overall_status",
    "overall_progress",
    "update_status",
)


def page(resource: str, parts: Sequence[str], after: int, *, fleets: Iterable[int] = ()) -> str:
    """The address of the rows with ids above `after`: `parts` of each, those of `fleets` if any are given."""
    conditions = [f"id gt {after}"]
    if resource == "application":
        conditions.append(ACCESSIBLE)
    if named := ",".join(map(str, sorted(fleets))):
        conditions.append(f"belongs_to__application in ({named})")
    return _address(resource, parts, " and ".join(conditions), PER_PAGE[resource])


def probe(resource: str, parts: Sequence[str]) -> str:
    """The address of one row, to find out whether the server has these parts."""
    return _address(resource, parts, "", 1)


def _address(resource: str, parts: Sequence[str], condition: str, top: int) -> str:
    expanded = [part for part in parts if "(" in part]
    options = [
        "$select=" + ",".join(part for part in parts if "(" not in part),
        *(["$expand=" + ",".join(expanded)] if expanded else []),
        *(["$filter=" + condition] if condition else []),
        "$orderby=id asc",
        f"$top={top}",
    ]
    return f"/{VERSION}/{resource}?{'&'.join(options)}".replace(" ", "%20")
