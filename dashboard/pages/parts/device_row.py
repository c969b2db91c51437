"""A device as a row of a list: all values that the row shows, of which the polling tag is a digest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from dashboard.templating import indicators as links
from devices.listing.listed import Listed
from devices.models import Device
from devices.rules.vocabulary import Status
from devices.status.annotated import DeviceWithStatus

NOTES: Final = 160  # characters of notes in a row


@dataclass(frozen=True)
class Row:
    """The values of a device's row; a device that was deleted (`gone`) has only its UUID."""

    uuid: str
    name: str = ""
    fleet_slug: str = ""
    fleet_name: str = ""
    status: str = ""
    since: datetime | None = None
    doing: str = ""
    stalled_since: datetime | None = None
    links: tuple[links.Indicator, ...] = ()
    unstable: str = ""  # which of the links flaps, in words
    last_contact: datetime | None = None
    release: str = ""
    target: str = ""
    progress: int | None = None
    os_version: str = ""
    tags: str = ""
    address: str = ""
    public_address: str = ""
    type: str = ""
    supervisor: str = ""
    notes: str = ""  # their first NOTES characters
    added: datetime | None = None

    @property
    def gone(self) -> bool:
        return not self.status

    @property
    def moments(self) -> Iterable[datetime | None]:
        """All moments that it shows as so long ago, or as lasting for so long."""
        yield from (self.since, self.stalled_since, self.last_contact)
        for link in self.links:
            yield from (link.since, link.last)

    @property
    def short_uuid(self) -> str:
        return self.uuid[:7]

    @property
    def behind(self) -> bool:
        """Whether the device runs another release than its target."""
        return bool(self.release and self.target and self.release != self.target)


def row_of(device: Listed | str, unstable: str = "") -> Row:
    """The row of a device, or of the UUID of a device that was deleted.

    `unstable` is which of its links flaps, in words (devices/history/flapping.py).
    """
    if isinstance(device, str):
        return Row(device)
    return Row(
        uuid=device.uuid,
        name=device.name or device.uuid[:7],
        fleet_slug=device.fleet_slug,
        fleet_name=device.fleet_name,
        status=device.status,
        since=device.status_since,
        doing=doing(device),
        stalled_since=device.progress_changed_at if device.stalled else None,
        links=(links.vpn(device), links.heartbeat(device)),
        unstable=unstable,
        last_contact=device.last_contact,
        release=device.release,
        target=device.target_release,
        progress=device.update_progress if device.status == Status.UPDATING else None,
        os_version=device.os_version,
        tags=", ".join(tag_words(device.tags)),
        address=", ".join(device.ip_addresses),
        public_address=device.public_address or "",
        type=device.device_type,
        supervisor=device.supervisor_version,
        notes=device.notes[:NOTES],
        added=device.created_at,
    )


def doing(device: DeviceWithStatus | Listed) -> str:
    """The step that a device reports while it is Configuring or Updating, in its own words; else ""."""
    if device.status == Status.CONFIGURING:
        progress = device.provisioning_progress
        words = [device.provisioning_state, f"{progress}\u00a0%" if progress is not None else ""]
        return " · ".join(filter(None, words))
    return str(device.update_status).capitalize() if device.status == Status.UPDATING else ""


def tags(device: Device) -> list[str]:
    """The tags of a device in words: "site = central", or the key alone."""
    return tag_words(device.tags)


def tag_words(held: Mapping[str, Any]) -> list[str]:
    """Stored tags in words: "site = central", or the key alone."""
    return [f"{key} = {value}" if value not in ("", None) else str(key) for key, value in held.items()]
