"""What works now and what to check next (help.md), answered where the server can tell."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import DateTimeField, QuerySet, Value

from devices import freezing, words
from devices.clock import Moment
from devices.models import Device, FrozenReason, StatusChange
from devices.rules.live_links import links_at
from devices.rules.vocabulary import HeartbeatState, Status
from devices.status.annotated import DeviceWithStatus
from fleets.text import isolated

KEEP_ALIVE = timedelta(minutes=2)  # until a VPN server notices that a device was unplugged
ADDRESS_ASKED = "Do others at its address work?"
SAME_MOMENT = timedelta(seconds=60)  # neighbours that dropped this close together have one cause


@dataclass(frozen=True)
class Ability:
    """Something one may want of a device, and whether its links allow it now; None: nobody can tell."""

    name: str
    works: bool | None
    why: str


@dataclass(frozen=True)
class Check:
    """A step to take; `answered` where the server could take it itself."""

    title: str
    text: str
    answered: bool = False


# Steps of a person, per status: first things first.
STEPS: dict[Status, tuple[tuple[str, str], ...]] = {
    Status.ONLINE: (),
    Status.VPN_ONLY: (
        (
            "Is the agent running?",
            "Look at the agent's service and journal over SSH. It is usually stopped or crashing.",
        ),
        (
            "Disk and container engine",
            "A full disk or a stopped container engine keeps the agent from starting.",
        ),
        (
            "Clock and HTTPS to the API",
            "A wrong date breaks TLS; a firewall may block HTTPS. Upgrade an old agent.",
        ),
    ),
    Status.HEARTBEAT_ONLY: (
        (
            "Firewall or proxy at the site",
            "TCP port 443 to the {vpn} server must be open (or UDP 1194 if that is configured).",
        ),
        ("Clock and names", "NTP (UDP 123) and DNS (UDP 53) must work for the {vpn} to connect."),
        (
            "The {vpn} client's journal",
            "Connect to the device from another one on the same network and read it.",
        ),
    ),
    Status.OFFLINE: (
        (
            "Power and network at the site",
            "Check cable, Wi-Fi and router. Try to reach it from another device on its network.",
        ),
        ("If it stays offline", "Deactivate it. Its next contact activates it again."),
    ),
    Status.CONFIGURING: (
        (
            "Wait a few minutes",
            "If it is stuck, check the OS update log on the device, its network and its disk.",
        ),
    ),
    Status.UPDATING: (
        ("Download speed and free disk", "Both decide how long an update takes."),
        ("An update lock", "While an application holds one, the update is downloaded, but not installed."),
    ),
    Status.POST_PROVISIONING: (
        (
            "Restart it without its install medium",
            "It restarts in this state and then starts from its own storage.",
        ),
        (
            "Network credentials in the image",
            "A device that never reports may lack them, or it was switched off too early.",
        ),
    ),
    Status.INACTIVE: (
        ("Switch it on", "Its first contact activates it. Its image must contain this device's key."),
    ),
    Status.FROZEN: (
        (
            "Free a place",
            "Deactivate or delete a device, raise the allowance, change the {fleet} type or plan, or pay.",
        ),
    ),
}


def works_now(device: DeviceWithStatus, at: datetime) -> tuple[Ability, ...]:
    """What an annotated device can do over its present links."""
    locked = device.status in (Status.FROZEN, Status.INACTIVE, Status.POST_PROVISIONING)
    recent = device.heartbeat == HeartbeatState.RECENT
    return (
        Ability(
            "SSH and terminal",
            device.vpn,
            _connected() if device.vpn else words.of_site("It requires the {vpn}, which is not connected."),
        ),
        Ability(
            "Reboot, restart, shutdown",
            device.vpn and recent,
            _connected() if device.vpn and recent else _no_restart(device),
        ),
        Ability("New releases and settings", recent and not locked, _releases(device, at, locked=locked)),
        _application(device),
    )


def _connected() -> str:
    return words.of_site("The {vpn} is connected.")


def _no_restart(device: DeviceWithStatus) -> str:
    if not device.vpn:
        return words.of_site("It requires the {vpn}. Actions sent now are lost, not queued.")
    return "It requires the agent, which does not report."


def _releases(device: DeviceWithStatus, at: datetime, *, locked: bool) -> str:
    if locked:
        return f"The device is {Status(device.status).label}."
    if device.heartbeat == HeartbeatState.RECENT and device.last_contact:
        poll = device.last_poll
        interval = timedelta(seconds=poll.poll_interval) if poll else timedelta()
        return f"They arrive at the next poll, at about {words.clock(device.last_contact + interval, at)}."
    return "They wait until the device contacts the API."


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
    """Since when the device may be off without anybody having noticed; empty where there is no doubt."""
    if not device.vpn and device.heartbeat not in (HeartbeatState.RECENT, HeartbeatState.LATE):
        return ""
    contact = device.last_contact
    if contact is None:
        return ""
    if device.vpn:
        return words.of_site(
            "The last contact was at {time}. If it loses power, the {vpn} shows it within {span}.",
            time=words.clock(contact, at),
            span=words.duration(KEEP_ALIVE),
        )
    return f"The last contact was at {words.clock(contact, at)}. It may have been off since then."


def check_next(device: DeviceWithStatus, at: Moment) -> tuple[Check, ...]:
    """The steps for the device's status: those the server can answer first, answered. Two queries at most."""
    status = Status(device.status)
    answers = [answer for ask in ANSWERS.get(status, ()) if (answer := ask(device, at))]
    return (*answers, *steps(status))


def steps(status: Status) -> tuple[Check, ...]:
    """The steps of a person for a status, in the words of the site."""
    return tuple(Check(words.of_site(title), words.of_site(text)) for title, text in STEPS[status])


def _same_address(device: DeviceWithStatus, at: Moment) -> Check | None:
    """Whether others behind the same public address have contact."""
    if not device.public_address:
        return None
    others = Device.objects.filter(
        organization_id=device.organization_id, public_address=device.public_address
    ).exclude(pk=device.pk)
    linked: QuerySet[Any] = others.annotate(**links_at(Value(at.heard, DateTimeField())))
    links = list(linked.values_list("vpn", "heartbeat")[:100])
    if not links:
        return Check(
            ADDRESS_ASKED, f"No other device uses the public address {device.public_address}.", answered=True
        )
    good = sum(vpn and heartbeat == HeartbeatState.RECENT for vpn, heartbeat in links)
    text = f"{good} of {len(links)} other devices at {device.public_address} have both links."
    return Check(ADDRESS_ASKED, text, answered=True)


def _dropped_together(device: DeviceWithStatus, at: Moment) -> Check | None:
    """Whether others of the fleet changed to the same status in the same minute."""
    since = device.status_since
    together = (
        StatusChange.objects.filter(
            fleet_id=device.fleet_id,
            after=device.status,
            at__range=(since - SAME_MOMENT, since + SAME_MOMENT),
        )
        .exclude(device_id=device.pk)
        .values("device_id")
        .distinct()
        .count()
    )
    sentence = "Yes, {n} other devices in its {fleet} did, within a minute."
    if together <= 1:
        sentence = "Yes, 1 other device in its {fleet} did, within a minute."
    if not together:
        sentence = "No other device in its {fleet} did."
    return Check("Did others drop with it?", words.of_site(sentence, n=together), answered=True)


def _vpn_purpose(device: DeviceWithStatus, at: Moment) -> Check:
    text = "No, it should be connected." if device.vpn_enabled else "Yes, it is turned off for this device."
    if device.vpn_unset:
        text = words.of_site("It is not used yet. No {vpn} server has connected a device of its {fleet}.")
    return Check(words.of_site("Is the {vpn} off on purpose?"), text, answered=True)


def _last_poll(device: DeviceWithStatus, at: Moment) -> Check | None:
    if not (poll := device.last_poll):
        return None
    interval = words.duration(timedelta(seconds=poll.poll_interval))
    text = f"Its last poll was at {words.clock(poll.last_poll_at, at.at)}. It polls every {interval}."
    return Check("Is it still polling?", text, answered=True)


def _progress(device: DeviceWithStatus, at: Moment) -> Check | None:
    changed = device.progress_changed_at
    if changed is None:
        return None
    moment = words.clock(changed, at.at)
    text = f"No, the last step was at {moment}." if device.stalled else f"Yes, the last step was at {moment}."
    return Check("Is the progress moving?", text, answered=True)


def _behind_target(device: DeviceWithStatus, at: Moment) -> Check | None:
    if not device.target_release or device.release == device.target_release:
        return None
    return Check(
        "Does it run its target release?",
        f"Not yet. It runs {device.release}, its target is {device.target_release}."
        if device.release
        else f"Not yet. It runs no release, its target is {device.target_release}.",
        answered=True,
    )


def _why_inactive(device: DeviceWithStatus, at: Moment) -> Check:
    if device.deactivated_at:
        text = f"It has been deactivated since {words.clock(device.deactivated_at, at.at)}."
    else:
        since = words.clock(device.created_at, at.at)
        text = f"It has been preregistered since {since} and has never connected."
    return Check("Why is it inactive?", text, answered=True)


def _why_frozen(device: DeviceWithStatus, at: Moment) -> Check:
    """Which reason, and what would free it (domain.md, Freezing)."""
    organization = device.organization
    if device.frozen_reason == FrozenReason.UNPAID:
        text = f"{isolated(organization)} has unpaid invoices. Once they are paid, all its devices thaw."
    elif device.frozen_reason == FrozenReason.FLEET_TYPE:
        text = words.of_site(
            "{name} has a paid type, and {organization} has the free plan. The device thaws in a {fleet} with"
            " the standard type, or when the type or the plan changes.",
            name=isolated(device.fleet),
            organization=isolated(organization),
        )
    else:
        position, allowance = freezing.position_in_line(device), organization.allowance or 0
        before = position - allowance
        sentence = (
            "It is number {place} in the queue, and the allowance of {organization} is {allowance}. It thaws"
            " once {before} devices before it are deactivated or deleted, or once the allowance is {place}."
        )
        if before == 1:
            sentence = (
                "It is number {place} in the queue, and the allowance of {organization} is {allowance}. It"
                " thaws once 1 device before it is deactivated or deleted, or once the allowance is {place}."
            )
        values = {"place": position, "allowance": allowance, "before": before}
        text = words.of_site(sentence, organization=isolated(organization), **values)
    return Check("Why is it frozen, and what thaws it?", text, answered=True)


ANSWERS = {
    Status.ONLINE: (_behind_target,),
    Status.HEARTBEAT_ONLY: (_vpn_purpose, _last_poll, _same_address),
    Status.OFFLINE: (_dropped_together, _same_address),
    Status.CONFIGURING: (_progress,),
    Status.UPDATING: (_progress,),
    Status.INACTIVE: (_why_inactive,),
    Status.FROZEN: (_why_frozen,),
}
