"""Why a device has its status, and which one its next deadline will give (domain.md, Why this status)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from operator import itemgetter
from typing import Any, cast

from django.conf import settings
from django.db import connection

from devices import clock, words
from devices.clock import Moment
from devices.models import Device
from devices.rules import live_links
from devices.rules.rule_table import Rule
from devices.rules.rules import RULES
from devices.rules.vocabulary import POST_PROVISIONING_STATE, Status
from devices.status.annotated import DeviceWithStatus
from devices.status.expressions import rule_over, status_over
from devices.status.reading import with_status
from fleets.text import isolated

# A server's lease of 60 s is named once its sign, expected every 10 s, is 20 s overdue.
LEASE_NAMED = timedelta(seconds=30)  # before its end
DEADLINES = {"late": "poll.late_at", "lost": "poll.lost_at", "lease": "vpn_server.due_at"}  # as recorded
MOMENTS = (live_links.LATE_SQL, live_links.LOST_SQL, "{vpn_server__due_at}")  # when they will pass
READ = """
SELECT d.id, {rule}, {moments}, {statuses}
FROM devices_device d
LEFT JOIN devices_heartbeat poll ON poll.device_id = d.id
LEFT JOIN devices_vpnserver vpn_server ON vpn_server.id = d.vpn_server_id
WHERE d.id = ANY(%(devices)s)
"""
# The VPN at a deadline: as it is now, unless the lease of its server is about to end.
VPN_AT_DEADLINE = "CASE WHEN vpn_server.due_at <= %(named_until)s THEN {at_deadline} ELSE {now} END"


Deadlines = list[tuple[str, datetime | None, str]]  # name, when it will pass, and the status then


@dataclass(frozen=True)
class Input:
    """One fact that the rules look at, as a line of the page: its name, its value, and its effect.

    `since` is when the value began, if known; `decides`: the matching rule uses this fact.
    """

    name: str
    value: str
    effect: str
    since: datetime | None = None
    decides: bool = False
    link: bool = False  # a fact of the VPN or of the heartbeat


@dataclass(frozen=True)
class Explanation:
    """Which rule matched and why, since when, and the next status if the device does not report until then.

    `because` is the reason in sentences; `next_status` and `next_at` are None where no deadline changes the
    status; `inputs` are all facts that rules look at, the deciding ones first.
    """

    status: Status
    rule: int  # the number of domain.md, from 1
    sentence: str  # of that rule, without a full stop
    since: datetime
    next_status: Status | None
    next_at: datetime | None
    inputs: tuple[Input, ...]

    @property
    def because(self) -> str:
        """The sentence of the rule, and the facts that decided with their times in the viewer's zone."""
        return self._with(each for each in self.inputs if each.decides)

    @property
    def lead(self) -> str:
        """The sentence of the rule with the facts that decided, for a place that shows both links itself."""
        return self._with(each for each in self.inputs if each.decides and not each.link)

    def _with(self, facts: Iterable[Input]) -> str:
        return " ".join(f"{part}." for part in (self.sentence, *(fact.value for fact in facts)) if part)


def explain(device: Device, at: datetime | Moment | None = None) -> Explanation:
    """Explain the status of `device` at `at` (None: the database's clock).

    One query if with_status annotated the device at that moment, else two. Raises Device.DoesNotExist.
    """
    at = clock.moment(at)
    now = cast("DeviceWithStatus", device) if hasattr(device, "status") else _read(device, at)
    if not (found := explain_all([now], at)):
        raise Device.DoesNotExist
    return found[now.pk]


def explain_all(devices: Sequence[DeviceWithStatus], at: Moment) -> dict[int, Explanation]:
    """Explanations by device id; with_status annotated `devices` at `at`. Omits deleted ones. One query."""
    if not devices:
        return {}
    by_id = {device.pk: device for device in devices}
    concluded = _concluded(list(by_id), at)
    return {pk: _explanation(by_id[pk], rule, deadlines, at) for pk, (rule, deadlines) in concluded.items()}


def _explanation(now: DeviceWithStatus, number: int, deadlines: Deadlines, at: Moment) -> Explanation:
    next_status, next_at = (None, None) if at.in_outage else _next(now, deadlines, at.at)
    rule = RULES[number - 1]
    return Explanation(
        status=Status(now.status),
        rule=number,
        sentence=_sentence(now, rule),
        since=now.status_since,
        next_status=next_status,
        next_at=next_at,
        inputs=_inputs(now, rule, at.at),
    )


def _read(device: Device, at: Moment) -> DeviceWithStatus:
    found = with_status(Device.objects.filter(pk=device.pk), at)
    return found.select_related("fleet", "organization", "mirrored__source").get()


def _concluded(devices: list[int], at: Moment) -> dict[int, tuple[int, Deadlines]]:
    """By device id the number of the rule that matches, and its deadlines."""
    params: dict[str, Any] = {
        "devices": devices,
        "at": at.heard,
        "resumed": at.resumed,
        "named_until": at.at + LEASE_NAMED,
    }
    with connection.cursor() as cursor:
        cursor.execute(_sql(), params)
        return {
            pk: (rule, list(zip(DEADLINES, rest[: len(DEADLINES)], rest[len(DEADLINES) :], strict=True)))
            for pk, rule, *rest in cursor.fetchall()
        }


@cache
def _sql() -> str:
    now = _links("%(at)s")
    at_deadlines = [_links(deadline) for deadline in DEADLINES.values()]
    statuses = [
        status_over(
            vpn_connected=VPN_AT_DEADLINE.format(at_deadline=vpn, now=now[0]), heartbeat_state=heartbeat
        )
        for vpn, heartbeat in at_deadlines
    ]
    rule = rule_over(vpn_connected=now[0], heartbeat_state=now[1])
    moments = (live_links.over(sql, at="%(at)s", resumed="%(resumed)s::timestamptz") for sql in MOMENTS)
    return READ.format(rule=rule, moments=", ".join(moments), statuses=", ".join(statuses))


def _links(at: str) -> tuple[str, str]:
    return live_links.over(live_links.VPN_SQL, at=at), live_links.over(live_links.HEARTBEAT_SQL, at=at)


def _next(
    device: DeviceWithStatus, deadlines: Deadlines, at: datetime
) -> tuple[Status | None, datetime | None]:
    """The status at the first future deadline that changes it, and that deadline; else (None, None)."""
    named = at + LEASE_NAMED if device.vpn else at  # until when a lease is
    coming = [
        (moment, status)
        for name, moment, status in deadlines
        if moment and moment > at and (name != "lease" or moment <= named)
    ]
    for moment, status in sorted(coming, key=itemgetter(0)):
        if status != device.status:
            return Status(status), moment
    return None, None


def _sentence(device: DeviceWithStatus, rule: Rule) -> str:
    if rule.status == Status.ONLINE and not device.vpn:
        yet = " yet" if device.vpn_unset else ""
        return words.of_site("It contacts the API as expected, and it does not use the {vpn}") + yet
    if device.read_from and rule.facts == {"is_active"}:
        return f"It is not active at {device.read_from}"
    if device.read_from and "provisioned_at" in rule.facts:
        return "It was switched on and has not come online yet"
    return words.of_site(rule.sentence)


def _inputs(device: DeviceWithStatus, rule: Rule, at: datetime) -> tuple[Input, ...]:
    """Every fact the rules look at, those that decided first, then in the order they are checked."""
    used = rule.facts
    makers = [_activation, _provisioning, _configuration, _update, _vpn, _heartbeat]
    if device.frozen_reason or device.organization.has_plan:
        makers.insert(0, _locked)
    inputs = [maker(device, used, at) for maker in makers]
    return tuple(sorted(inputs, key=lambda fact: not fact.decides))


def _input(name: str, value: str, gives: Status, *, decides: bool) -> Input:
    effect = f"gives {gives.label}" if decides else f"not {gives.label}"
    return Input(name, value, effect, decides=decides)


def _locked(device: DeviceWithStatus, used: set[str], at: datetime) -> Input:
    reason = device.frozen_reason
    value = f"Locked: {words.frozen_because(reason)}" if reason else "Not locked"
    return _input("Allowance", value, Status.FROZEN, decides="frozen_reason" in used)


def _activation(device: DeviceWithStatus, used: set[str], at: datetime) -> Input:
    if device.read_from:
        value = f"{'Active' if device.is_active else 'Not active'} at {device.read_from}"
    elif device.is_active:
        value = _dated("Active", device.activated_at, at)
    elif device.deactivated_at:
        value = _dated("Deactivated", device.deactivated_at, at)
    else:
        value = f"Preregistered {words.clock(device.created_at, at)}, never connected"
    decides = bool(used & {"is_active", "first_contact_at"})
    return _input("Activation", value, Status.INACTIVE, decides=decides)


def _provisioning(device: DeviceWithStatus, used: set[str], at: datetime) -> Input:
    if device.provisioning_state == POST_PROVISIONING_STATE:
        value = "The system is written, waiting for a restart"
    elif device.first_contact_at:
        value = f"First contact {words.clock(device.first_contact_at, at)}"
    elif device.provisioned_at and device.read_from:
        value = "Switched on, not online yet"
    elif device.provisioned_at:
        value = f"Registered itself {words.clock(device.provisioned_at, at)}, not online yet"
    else:
        value = "Not switched on yet" if device.read_from else "Did not register itself"
    decides = bool(used & {"provisioning_state", "provisioned_at"})
    return _input("First start", value, Status.POST_PROVISIONING, decides=decides)


def _configuration(device: DeviceWithStatus, used: set[str], at: datetime) -> Input:
    progress = device.provisioning_progress
    value = "Nothing to apply" if progress is None else f"Applying, {progress}\u00a0%"
    if progress is not None and device.provisioning_state:
        value += f": {device.provisioning_state}"
    decides = "provisioning_progress" in used
    return _input("OS configuration", value, Status.CONFIGURING, decides=decides)


def _update(device: DeviceWithStatus, used: set[str], at: datetime) -> Input:
    progress = device.update_progress
    value = "No update in progress" if progress is None else f"Installing, {progress}\u00a0%"
    return _input("Release", value, Status.UPDATING, decides="update_progress" in used)


def _vpn(device: DeviceWithStatus, used: set[str], at: datetime) -> Input:
    word = settings.VPN_WORD
    state = "connected" if device.vpn else "not connected"
    facts = [_dated(f"{word} {state}", device.vpn_since, at)]
    if device.vpn_unset and not device.vpn:
        facts = [f"{word} not used yet"]
    elif not device.vpn_enabled:
        facts.append("not used yet" if device.vpn_unset else "turned off on purpose")
    if device.vpn and device.vpn_server and device.vpn_server.lease_until is None:
        server = isolated(device.vpn_server.name)
        facts.append(f"stays connected until {server} reports a disconnect, because it sends no life signs")
    decides = "vpn" in used
    return _link_input(word, "; ".join(facts), device.vpn_since, decides=decides)


def _heartbeat(device: DeviceWithStatus, used: set[str], at: datetime) -> Input:
    poll = device.last_poll
    if poll is None:
        value = _read_heartbeat(device, at)
    else:
        interval = words.duration(timedelta(seconds=poll.poll_interval))
        contact = words.clock(poll.last_poll_at, at)
        if device.heartbeat == "recent":
            value = f"API contact at {contact}, polls every {interval}"
        else:
            value = f"No API contact since {contact}, polls every {interval}"
    decides = "heartbeat" in used
    return _link_input("API heartbeat", value, device.heartbeat_since, decides=decides)


def _read_heartbeat(device: DeviceWithStatus, at: datetime) -> str:
    """The heartbeat of a device that never polled here: a source says what it is and since when."""
    if not device.read_from or device.heartbeat == "unknown":
        return "No API contact yet"
    said = {"recent": "Polls as expected", "late": "Its poll is late"}.get(device.heartbeat, "No API contact")
    since = f" since {words.clock(device.heartbeat_since, at)}" if device.heartbeat_since else ""
    return f"{said}{since}, as read from {device.read_from}"


def _link_input(name: str, value: str, since: datetime | None, *, decides: bool) -> Input:
    return Input(name, value, "decides" if decides else "skipped", since, decides, link=True)


def _dated(what: str, since: datetime | None, at: datetime) -> str:
    return f"{what} since {words.clock(since, at)}" if since else what
