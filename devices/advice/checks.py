"""What to check next on a device (help.md): steps that the server takes itself, then those of a person."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import DateTimeField, QuerySet, Value

from devices import freezing, words
from devices.advice.person_steps import Check, steps
from devices.clock import Moment
from devices.models import Device, FrozenReason, StatusChange
from devices.rules.live_links import links_at
from devices.rules.vocabulary import HeartbeatState, Status
from devices.status.annotated import DeviceWithStatus
from fleets.text import isolated

ADDRESS_TITLE = "Do others at its address work?"
SAME_MOMENT = timedelta(seconds=60)  # devices that dropped within this time have one cause


def check_next(device: DeviceWithStatus, at: Moment) -> tuple[Check, ...]:
    """The steps for a device's status at `at`, the answered ones first; with_status annotated the device.

    Two queries at most.
    """
    status = Status(device.status)
    answers = [check for answer in ANSWERS.get(status, ()) if (check := answer(device, at))]
    return (*answers, *steps(status, host=device.read_from))


def _same_address(device: DeviceWithStatus, at: Moment) -> Check | None:
    """Whether other devices at this device's public address have both links; None: it has no address."""
    if not device.public_address:
        return None
    others = Device.objects.filter(
        organization_id=device.organization_id, public_address=device.public_address
    ).exclude(pk=device.pk)
    linked: QuerySet[Any] = others.annotate(**links_at(Value(at.heard, DateTimeField())))
    links = list(linked.values_list("vpn", "heartbeat")[:100])
    if not links:
        return Check(
            ADDRESS_TITLE, f"No other device uses the public address {device.public_address}.", answered=True
        )
    good = sum(vpn and heartbeat == HeartbeatState.RECENT for vpn, heartbeat in links)
    text = f"{good} of {len(links)} other devices at {device.public_address} have both links."
    return Check(ADDRESS_TITLE, text, answered=True)


def _dropped_together(device: DeviceWithStatus, at: Moment) -> Check | None:
    """Whether other devices of the fleet changed to this device's status within a minute of its change."""
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
    if host := device.read_from:
        text = f"It has never connected to {host}." if device.is_active else f"It is not active at {host}."
    elif device.deactivated_at:
        text = f"It has been deactivated since {words.clock(device.deactivated_at, at.at)}."
    else:
        since = words.clock(device.created_at, at.at)
        text = f"It has been preregistered since {since} and has never connected."
    return Check("Why is it inactive?", text, answered=True)


def _why_frozen(device: DeviceWithStatus, at: Moment) -> Check:
    """Why the device is frozen, and what would thaw it (domain.md, Freezing)."""
    organization = device.organization
    if device.frozen_reason == FrozenReason.UNPAID:
        text = f"{isolated(organization)} has unpaid invoices. Once they are paid, all its devices thaw."
    elif device.frozen_reason == FrozenReason.FLEET_TYPE:
        sentence = (
            "{name} has a paid type, and {organization} has the free plan. The device thaws in a {fleet} with"
            " the standard type, or when the type or the plan changes."
        )
        if device.read_from:
            sentence = (
                "{name} has a paid type, and {organization} has the free plan. The device thaws when the plan"
                " changes."
            )
        text = words.of_site(sentence, name=isolated(device.fleet), organization=isolated(organization))
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
