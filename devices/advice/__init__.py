"""What works now and what to check next (help.md), answered where the server can tell."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import DateTimeField, QuerySet, Value

from devices import clock, freezing, words
from devices.models import Device, FrozenReason, StatusChange
from devices.rules.live_links import links_at
from devices.rules.vocabulary import HeartbeatState, Status
from fleets.text import apart

KEEP_ALIVE = timedelta(minutes=2)  # until a VPN server notices that a device was unplugged
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
            "Over SSH look at the agent's service and journal: usually it is stopped or crashing.",
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
            "TCP 443 to the {vpn} server must pass (UDP 1194 where so configured).",
        ),
        ("Clock and names", "NTP (UDP 123) and DNS (UDP 53) must work for the {vpn} to connect."),
        ("The {vpn} client's journal", "Reach the device from another one on the same network and read it."),
    ),
    Status.OFFLINE: (
        (
            "Power and network at the site",
            "Cable, Wi-Fi, router. Try to reach it from a neighbour on its network.",
        ),
        ("If it stays away", "Deactivate it; contact activates it again."),
    ),
    Status.CONFIGURING: (
        (
            "Wait a few minutes",
            "If it is stuck: the log of the OS update on the device, its network, its disk.",
        ),
    ),
    Status.UPDATING: (
        ("Download speed and free disk", "Both decide how long an update takes."),
        ("An update lock", "An application that holds one is downloaded, but not applied."),
    ),
    Status.POST_PROVISIONING: (
        (
            "Restart it without its install medium",
            "It power-cycles in this state and starts from its own storage next.",
        ),
        (
            "Network credentials in the image",
            "A board that never reports may lack them, or was switched off too early.",
        ),
    ),
    Status.INACTIVE: (("Switch it on", "Contact activates it. The image must carry this device's key."),),
    Status.FROZEN: (
        (
            "Free a place",
            "Deactivate or delete a device, raise the allowance, change the fleet type or plan, or pay.",
        ),
    ),
}


def works_now(device: Any, at: datetime) -> tuple[Ability, ...]:
    """What an annotated device can do over its present links."""
    vpn_word = settings.VPN_WORD
    locked = device.status in (Status.FROZEN, Status.INACTIVE, Status.POST_PROVISIONING)
    recent = device.heartbeat == HeartbeatState.RECENT
    return (
        Ability(
            "SSH and terminal",
            device.vpn,
            f"over the {vpn_word}" if device.vpn else f"they travel through the {vpn_word}",
        ),
        Ability(
            "Reboot, restart, shutdown",
            device.vpn and recent,
            f"through the {vpn_word}" if device.vpn and recent else _no_restart(device),
        ),
        Ability("New releases and settings", recent and not locked, _releases(device, at, locked=locked)),
        _application(device),
    )


def _no_restart(device: Any) -> str:
    if not device.vpn:
        return f"needs the {settings.VPN_WORD}; what is sent now is lost, not queued"
    return "needs the agent, which does not report"


def _releases(device: Any, at: datetime, *, locked: bool) -> str:
    if locked:
        return f"not while it is {Status(device.status).label}"
    if device.heartbeat == HeartbeatState.RECENT:
        interval = timedelta(seconds=device.poll.poll_interval) if _poll(device) else timedelta()
        return f"at the next poll, about {words.clock(device.last_contact + interval, at)}"
    return "they wait until the API hears from it"


def _needs_start(device: Any) -> bool:
    return Status(device.status) == Status.POST_PROVISIONING


def _application(device: Any) -> Ability:
    name = "The application"
    if _needs_start(device):
        return Ability(name, works=False, why="starts once the device runs from its own storage")
    if not device.vpn and device.heartbeat in (HeartbeatState.LOST, HeartbeatState.UNKNOWN):
        return Ability(name, works=None, why="may run; nobody can tell from here")
    return Ability(name, works=True, why="runs on by itself")


def doubt(device: Any, at: datetime) -> str:
    """Since when the device may be off without anybody having noticed; empty where there is no doubt."""
    if not device.vpn and device.heartbeat not in (HeartbeatState.RECENT, HeartbeatState.LATE):
        return ""
    contact = device.last_contact
    if contact is None:
        return ""
    if device.vpn:
        return (
            f"Last contact {words.clock(contact, at)}. Were it unplugged, the {settings.VPN_WORD} would"
            f" show it within {words.duration(KEEP_ALIVE)}."
        )
    return f"Last contact {words.clock(contact, at)}: it may have been off since then."


def check_next(device: Any, at: datetime) -> tuple[Check, ...]:
    """The steps for the device's status: those the server can answer first, answered. Two queries at most."""
    status = Status(device.status)
    answers = [answer for ask in ANSWERS.get(status, ()) if (answer := ask(device, at))]
    return (*answers, *steps(status))


def steps(status: Status) -> tuple[Check, ...]:
    """The steps of a person for a status, in the words of the site."""
    word = settings.VPN_WORD
    return tuple(Check(title.format(vpn=word), text.format(vpn=word)) for title, text in STEPS[status])


def _same_address(device: Any, at: datetime) -> Check | None:
    """Whether others behind the same public address have contact."""
    if not device.public_address:
        return None
    others = Device.objects.filter(
        organization_id=device.organization_id, public_address=device.public_address
    ).exclude(pk=device.pk)
    linked: QuerySet[Any] = others.annotate(**links_at(Value(clock.heard(at), DateTimeField())))
    links = list(linked.values_list("vpn", "heartbeat")[:100])
    if not links:
        return Check(
            "Do others at its address work?",
            f"No other device is behind {device.public_address}.",
            answered=True,
        )
    good = sum(vpn and heartbeat == HeartbeatState.RECENT for vpn, heartbeat in links)
    text = f"{good} of the {len(links)} others behind {device.public_address} have both links."
    return Check("Do others at its address work?", text, answered=True)


def _dropped_together(device: Any, at: datetime) -> Check | None:
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
    text = f"{together} more of its fleet did, within a minute." if together else "No other of its fleet did."
    return Check("Did its neighbours drop with it?", text, answered=True)


def _vpn_purpose(device: Any, at: datetime) -> Check:
    word = settings.VPN_WORD
    text = (
        "No: it is meant to be connected." if device.vpn_enabled else "Yes: it is turned off for this device."
    )
    return Check(f"Is the {word} off on purpose?", text, answered=True)


def _last_poll(device: Any, at: datetime) -> Check | None:
    if not (poll := _poll(device)):
        return None
    interval = words.duration(timedelta(seconds=poll.poll_interval))
    text = f"Its last poll was at {words.clock(poll.last_poll_at, at)}; it polls every {interval}."
    return Check("Is it still polling?", text, answered=True)


def _progress(device: Any, at: datetime) -> Check | None:
    changed = device.progress_changed_at
    if changed is None:
        return None
    moment = words.clock(changed, at)
    text = f"No: the last step was at {moment}." if device.stalled else f"Yes: a step at {moment}."
    return Check("Is the progress moving?", text, answered=True)


def _behind_target(device: Any, at: datetime) -> Check | None:
    if not device.target_release or device.release == device.target_release:
        return None
    return Check(
        "Does it run its target release?",
        f"Not yet: {device.release or 'none'}, not {device.target_release}.",
        answered=True,
    )


def _why_inactive(device: Any, at: datetime) -> Check:
    if device.deactivated_at:
        text = f"It was deactivated {words.clock(device.deactivated_at, at)}."
    else:
        text = f"It was preregistered {words.clock(device.created_at, at)} and never seen."
    return Check("Deactivated or never seen?", text, answered=True)


def _why_frozen(device: Any, at: datetime) -> Check:
    """Which reason, and what would free it (domain.md, Freezing)."""
    organization = device.organization
    if device.frozen_reason == FrozenReason.UNPAID:
        text = f"Invoices of {apart(organization)} are open. Once they are settled, all its devices thaw."
    elif device.frozen_reason == FrozenReason.FLEET_TYPE:
        text = (
            f"{apart(device.fleet)} is of a paid type, and {apart(organization)} has the free plan. It thaws"
            " in a standard one, or when the type or the plan changes."
        )
    else:
        place, allowance = freezing.place_in_line(device), organization.allowance or 0
        before = place - allowance
        text = (
            f"It is number {place} in line by activation, and the allowance of {apart(organization)} is"
            f" {allowance}. It thaws once {before} {'device' if before == 1 else 'devices'} before it"
            f" {'is' if before == 1 else 'are'} deactivated or deleted, or the allowance is {place}."
        )
    return Check("Why is it frozen, and what frees it?", text, answered=True)


ANSWERS = {
    Status.ONLINE: (_behind_target,),
    Status.HEARTBEAT_ONLY: (_vpn_purpose, _last_poll, _same_address),
    Status.OFFLINE: (_dropped_together, _same_address),
    Status.CONFIGURING: (_progress,),
    Status.UPDATING: (_progress,),
    Status.INACTIVE: (_why_inactive,),
    Status.FROZEN: (_why_frozen,),
}


def _poll(device: Any) -> Any:
    return getattr(device, "poll", None)
