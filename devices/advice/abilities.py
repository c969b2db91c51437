"""What works now on a device, over its present links (help.md)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from devices import words
from devices.models.sources import SWEPT_EVERY
from devices.rules.vocabulary import HeartbeatState, Status
from devices.status.annotated import DeviceWithStatus

KEEP_ALIVE = timedelta(minutes=2)  # until a VPN server notices that a device was unplugged


@dataclass(frozen=True)
class Ability:
    """Something that a person may want of a device, whether it works now (None: unknown), and why."""

    name: str
    works: bool | None
    why: str


def works_now(device: DeviceWithStatus, at: datetime) -> tuple[Ability, ...]:
    """What works on a device over its links, which with_status annotated at `at`."""
    locked = device.status in (Status.INACTIVE, Status.POST_PROVISIONING)
    if not device.read_from:  # a source does not know what is frozen here
        locked = locked or device.status == Status.FROZEN
    recent = device.heartbeat == HeartbeatState.RECENT
    return (
        _through_vpn(
            "SSH and terminal",
            device,
            "" if device.vpn else words.of_site("It requires the {vpn}, which is not connected."),
        ),
        _through_vpn(
            "Reboot, restart, shutdown", device, "" if device.vpn and recent else _no_restart(device)
        ),
        Ability("New releases and settings", recent and not locked, _releases(device, at, locked=locked)),
        _application(device),
    )


def _through_vpn(name: str, device: DeviceWithStatus, hindrance: str) -> Ability:
    """What travels through the VPN: it works where a source or the setting tells of a tunnel service."""
    if hindrance:
        return Ability(name, works=False, why=hindrance)
    if device.read_from or settings.VPN_TUNNELS:
        return Ability(name, works=True, why=words.of_site("The {vpn} is connected."))
    why = words.of_site(
        "The {vpn} is connected. Lookout does not know whether people reach devices through it."
    )
    return Ability(name, works=None, why=why)


def _no_restart(device: DeviceWithStatus) -> str:
    if not device.vpn:
        return words.of_site("It requires the {vpn}. Actions sent now are lost, not queued.")
    return "It requires the agent, which does not report."


def _releases(device: DeviceWithStatus, at: datetime, *, locked: bool) -> str:
    if locked:
        return f"The device is {Status(device.status).label}."
    if device.heartbeat != HeartbeatState.RECENT:
        return "They wait until the device contacts the API."
    if not (poll := device.last_poll):  # it was read from a source, which does not tell when it polled
        return "They arrive at the next poll."
    expected = poll.last_poll_at + timedelta(seconds=poll.poll_interval)
    return f"They arrive at the next poll, at about {words.clock(expected, at)}."


def _needs_start(device: DeviceWithStatus) -> bool:
    return Status(device.status) == Status.POST_PROVISIONING


def _application(device: DeviceWithStatus) -> Ability:
    name = "The application"
    if _needs_start(device):
        return Ability(name, works=False, why="It starts once the device runs from its own storage.")
    if not device.vpn and device.heartbeat in (HeartbeatState.LOST, HeartbeatState.UNKNOWN):
        return Ability(name, works=None, why="It may be running; Lookout cannot tell.")
    return Ability(name, works=True, why="It keeps running by itself.")


def doubt(device: DeviceWithStatus, at: datetime) -> str:
    """A sentence on since when the device may be off without anybody noticing; empty: there is no doubt."""
    if not device.vpn and device.heartbeat not in (HeartbeatState.RECENT, HeartbeatState.LATE):
        return ""
    contact = device.last_contact
    if contact is None:
        return ""
    if device.read_from and not device.last_poll:
        return _unseen(device)
    if device.vpn:
        return words.of_site(
            "The last contact was at {time}. If it loses power, the {vpn} shows it within {span}.",
            time=words.clock(contact, at),
            span=words.duration(KEEP_ALIVE),
        )
    return f"The last contact was at {words.clock(contact, at)}. It may have been off since then."


def _unseen(device: DeviceWithStatus) -> str:
    """The doubt about a device that is only read from a source, which does not tell its last contact."""
    host = device.read_from
    if device.vpn:
        return words.of_site(
            "{host} does not tell when it was last in contact. If it loses power, the {vpn} shows it within"
            " {span}.",
            host=host,
            span=words.duration(KEEP_ALIVE + SWEPT_EVERY),
        )
    return f"{host} does not tell when it was last in contact. It may be off already."
