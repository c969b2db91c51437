"""What the rows of a source mean here: each as columns of a device, by the words of docs/domain.md."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from typing import Any, Final

from devices.rules.metrics import known as known_metrics
from devices.rules.metrics import possible
from devices.rules.tags import LONGEST_TAG, MOST_TAGS
from devices.rules.vocabulary import HeartbeatState
from devices.sources import intervals
from devices.sources.answers import Application, Links, RemoteDevice, Variable
from devices.sources.reading import Ended
from fleets.text import kept

LONGEST: Final = 255  # characters of a text that are stored
MEGABYTE: Final = 1024 * 1024
HEARTBEATS: Final = {
    "online": HeartbeatState.RECENT,
    "timeout": HeartbeatState.LATE,
    "offline": HeartbeatState.LOST,
}
# By column of the metrics: the field there, and what its unit is worth here.
METRICS: Final = {
    "memory_used": ("memory_usage", MEGABYTE),
    "memory_total": ("memory_total", MEGABYTE),
    "storage_used": ("storage_usage", MEGABYTE),
    "storage_total": ("storage_total", MEGABYTE),
    "cpu_percent": ("cpu_usage", 1),
    "temperature": ("cpu_temp", 1),
    "undervolted": ("is_undervolted", 1),
}
VPN: Final = ("BALENA_SUPERVISOR_VPN_CONTROL", "RESIN_SUPERVISOR_VPN_CONTROL")  # the one that prevails first
OFF: Final = {"false", "0", "off"}
ON: Final = {"true", "1", "on"}


@dataclass(frozen=True, slots=True)
class LinkFacts:
    """The two links of a device as a sweep read them. `heartbeat_at` and `vpn_at` date them, if known."""

    heartbeat: HeartbeatState
    heartbeat_at: datetime | None
    vpn: bool
    vpn_at: datetime | None
    silent: str = ""  # the name of the VPN server that holds it and is silent


def links(row: Links, ended: Mapping[int, Ended]) -> LinkFacts:
    """The links of a device. A VPN server that is silent holds none, whatever the source says."""
    state = HEARTBEATS.get(row.api_heartbeat_state or "", HeartbeatState.UNKNOWN)
    server = row.is_managed_by__service_instance
    gone = ended.get(server.id) if server and row.is_connected_to_vpn else None
    return LinkFacts(
        heartbeat=state,
        heartbeat_at=row.changed_api_heartbeat_state_on__date,
        vpn=bool(row.is_connected_to_vpn) and gone is None,
        vpn_at=gone.at if gone else row.last_vpn_event,
        silent=gone.name if gone else "",
    )


def progress(row: Links) -> dict[str, Any]:
    """The columns that tell of a configuration or an update under way."""
    return {
        "provisioning_state": text(row.provisioning_state),
        "provisioning_progress": _share(row.provisioning_progress),
        "update_status": text(row.update_status)[:20],
        "update_progress": _update_progress(row),
    }


def _update_progress(row: Links) -> int | None:
    """The progress of an update; by the word of the source it is over once all is downloaded."""
    if row.overall_status == "updating":
        return _share(row.overall_progress or 0)
    return 100 if row.update_status == "applying changes" else None


def described(row: RemoteDevice) -> dict[str, Any]:
    """The columns that tell what a device is, but for its links, its progress, its notes and its tags."""
    return {
        "name": text(row.device_name),
        "device_type": text(row.is_of__device_type[0].slug) if row.is_of__device_type else "",
        "os_version": text(row.os_version),
        "supervisor_version": text(row.supervisor_version),
        "release": text(row.is_running__release[0].commit) if row.is_running__release else "",
        "target_release": (
            text(row.should_be_running__release[0].commit) if row.should_be_running__release else ""
        ),
        "ip_addresses": _words(row.ip_address),
        "mac_addresses": _words(row.mac_address),
        "public_address": _address(row.public_address),
        "metrics": _metrics(row),
        "vpn_setting": switch(row.device_config_variable),
    }


def note(row: RemoteDevice) -> str:
    """The note of a device there."""
    return kept(row.note or "", lines=True).strip()


def tags(row: RemoteDevice) -> dict[str, str]:
    """The tags of a device there, as many and as long as a device here may have."""
    found = {
        kept(tag.tag_key).strip()[:LONGEST_TAG]: kept(tag.value).strip()[:LONGEST_TAG]
        for tag in row.device_tag
    }
    return {name: found[name] for name in list(found)[:MOST_TAGS] if name}


def was_provisioned(row: RemoteDevice) -> bool:
    """Whether anything tells that the device was ever switched on."""
    return bool(
        (row.api_heartbeat_state or "unknown") != "unknown"
        or row.is_connected_to_vpn
        or row.last_vpn_event
        or row.os_version
        or row.provisioning_state
    )


def switch(variables: Iterable[Variable]) -> bool | None:
    """Whether the VPN is used, by the variables of a device or of a fleet; None: they do not say."""
    values = {variable.name: variable.value for variable in variables}
    value = next((values[name] for name in VPN if name in values), "").strip().lower()
    return True if value in ON else False if value in OFF else None


def interval(variables: Iterable[Variable], least: int) -> int | None:
    """The poll interval in seconds by these variables, not below `least`, which the server imposes.

    None: they do not say.
    """
    values = {variable.name: variable.value for variable in variables}
    return intervals.seconds(values.get(intervals.COUNTED, "").strip(), least)


def fleet_name(application: Application) -> str:
    """The name that a fleet has here: that of the application."""
    return text(application.app_name)[:100].strip() or application.slug[:100]


def text(value: str | None) -> str:
    """A text as it is stored: in NFC, without what does not show, LONGEST characters at most."""
    return kept(value or "")[:LONGEST].strip()


def _words(value: str | None) -> list[str]:
    return [word for word in map(text, (value or "").split()) if word]


def _share(value: float | None) -> int | None:
    return None if value is None else min(100, max(0, round(value)))


def _address(value: str | None) -> str | None:
    try:
        return str(ip_address(value or ""))
    except ValueError:
        return None


def _metrics(row: RemoteDevice) -> dict[str, Any]:
    read = {name: (getattr(row, field), worth) for name, (field, worth) in METRICS.items()}
    values = {
        name: value * worth if isinstance(value, float) else value
        for name, (value, worth) in read.items()
        if value is not None
    }
    if values == {"undervolted": False}:  # what the source has of a device that has never reported
        return {}
    return known_metrics(possible(values))
