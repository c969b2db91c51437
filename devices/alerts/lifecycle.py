"""A device that a rule holds: pending, firing, recovering, gone. Its states follow from dated facts.

All durations are of observed time: an interruption of ours makes nothing due, nor does a time in which the
source of a device was not read (docs/alerts.md).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from devices.listing.grouping import EPOCH, LINK_OF_VPN, Lost, moment_of
from devices.models import AlertRule, IncidentMember
from devices.models.alert_rules import Condition

State, Reason = IncidentMember.State, IncidentMember.Reason
MICROSECOND: Final = timedelta(microseconds=1)
# A device of a rule of kind `together` waits so long for others once it is due: those of its site that poll
# seldom may be noticed later.
WAIT: Final = timedelta(minutes=10)
# Within which VPN servers have told what they know after an interruption of ours.
FOUND: Final = timedelta(seconds=60)


# A new member, by column, in their order: Django takes twice as long for values that have names.
USUAL: Final = {field.attname: field.get_default() for field in IncidentMember._meta.concrete_fields}  # noqa: SLF001


class Fact(Struct, frozen=True):
    """That from a moment on a rule's condition is true of a device, or no longer."""

    at: datetime
    rule: int
    device: int
    lost: Lost | None  # what the device has lost, where the condition is true
    reason: str = Reason.RECOVERED  # why the condition is no longer true


class Mark(Struct, frozen=True):
    """That from a moment on a link of a device changes often, or no longer."""

    at: datetime
    device: int
    unstable: bool


Spans = Sequence[tuple[datetime, datetime]]  # times as (began, ended), the oldest first, none within another


@dataclass(frozen=True)
class Away:
    """Our own interruptions; and by source, which these include, the times in which it was not read.

    `sources`: by device, the source that alone tells of it.
    """

    spans: Spans = ()
    unread: Mapping[int, Spans] = field(default_factory=dict)
    sources: Mapping[int, int] = field(default_factory=dict)

    def of(self, device: int) -> Away:
        """The times in which a device was not observed."""
        return self.reading(self.sources.get(device))

    def reading(self, source: int | None) -> Away:
        """The times in which the devices of a source were not observed; None: those of this site."""
        return self if source is None or source not in self.unread else Away(self.unread[source])

    def observed(self, since: datetime, lasting: timedelta) -> datetime:
        """When so much time has been observed since then."""
        end = since + lasting
        for began, ended in self.spans:
            if began >= end:
                break
            if ended > since:
                end += ended - max(began, since)
        return end

    def dated(self, lost: Lost) -> Lost:
        """With the moment from which it may have been lost: what VPN servers told right after an interruption
        of ours was lost some time in it, so it counts from its beginning.
        """
        if lost.what not in LINK_OF_VPN:
            return lost
        found = moment_of(lost.moment)
        began = next((began for began, ended in self.spans if ended <= found < ended + FOUND), found)
        return replace(lost, moment=microseconds(began))


def unseen_since(facts: Iterable[Fact]) -> datetime | None:
    """From when on interruptions of ours may say when devices of these facts were lost; None: none does."""
    lost = (fact.lost for fact in facts if fact.lost and fact.lost.what in LINK_OF_VPN)
    first = min((one.moment for one in lost), default=None)
    return None if first is None else moment_of(first) - FOUND


def apart(spans: Iterable[tuple[datetime, datetime]]) -> Spans:
    """These times as Spans: those that overlap as one."""
    found: list[tuple[datetime, datetime]] = []
    for began, ended in sorted(spans):
        if found and began <= found[-1][1]:
            found[-1] = (found[-1][0], max(ended, found[-1][1]))
        else:
            found.append((began, ended))
    return found


def begun(fact: Fact, lost: Lost, rule: AlertRule, away: Away) -> IncidentMember:
    """A device whose condition has just become true: it waits for its due time."""
    due = away.of(fact.device).observed(fact.at, timedelta(seconds=rule.delay))
    values = {
        "organization_id": rule.organization_id,
        "rule_id": rule.pk,
        "device_id": fact.device,
        "device_uuid": lost.uuid,
        "device_name": lost.name,
        "state": State.PENDING,
        "since": fact.at,
        "due_at": due,
        "next_at": due,
    }
    member = IncidentMember(*(USUAL | values).values())
    describe(member, lost)
    return member


def again(member: IncidentMember) -> IncidentMember:
    """The same device of the same rule, to stand in another incident."""
    other = IncidentMember(
        organization_id=member.organization_id,
        rule_id=member.rule_id,
        device_id=member.device_id,
        device_uuid=member.device_uuid,
        device_name=member.device_name,
        state=member.state,
        since=member.since,
        due_at=member.due_at,
        recovered_at=member.recovered_at,
        flaps=member.flaps,
        unstable=member.unstable,
    )
    describe(other, lost_of(member))
    return other


def describe(member: IncidentMember, lost: Lost) -> None:
    """Write what a device has lost, and what it may share with others."""
    member.status, member.rank, member.what = lost.status, lost.rank, lost.what
    member.moment = moment_of(lost.moment)
    member.fleet_id, member.address, member.server_id = lost.fleet, lost.address, lost.server
    member.release, member.tags = lost.release, json.loads(lost.tags)


def lost_of(member: IncidentMember) -> Lost:
    """What `describe` has written."""
    return Lost(
        id=member.device_id,
        uuid=member.device_uuid,
        name=member.device_name,
        fleet=member.fleet_id,
        status=member.status,
        rank=member.rank,
        since=microseconds(member.since),
        what=member.what,
        moment=microseconds(member.moment),
        lost_at=None,
        address=member.address,
        server=member.server_id,
        release=member.release,
        tags=json.dumps(member.tags),
    )


def microseconds(at: datetime) -> int:
    """How many lie between 1970 and this moment."""
    return (at - EPOCH) // MICROSECOND


def due_of(member: IncidentMember, rule: AlertRule, away: Away) -> datetime:
    """When a device that waits is due."""
    return away.of(member.device_id).observed(member.since, timedelta(seconds=rule.delay))


def gathered_at(member: IncidentMember, rule: AlertRule) -> datetime:
    """Until when a device that is due waits for others before it is an incident of its own."""
    return member.due_at + timedelta(seconds=rule.gather)


def held_until(member: IncidentMember, rule: AlertRule, away: Away) -> datetime | None:
    """When a device that recovers is gone; None: it does not, or a link of it changes often."""
    if member.state != State.RECOVERING or member.recovered_at is None or member.unstable:
        return None
    return away.of(member.device_id).observed(member.recovered_at, timedelta(seconds=rule.hold))


def ends(member: IncidentMember, rule: AlertRule, away: Away, *, loose: bool) -> Iterator[datetime]:
    """When the clock alone may change what a device is. `loose`: it stands in no incident yet."""
    if member.state == State.PENDING:
        due = due_of(member, rule, away)
        yield due
        if is_together(rule):
            yield due + WAIT
    if until := held_until(member, rule, away):
        yield until
    if loose and member.state in {State.FIRING, State.RECOVERING}:
        yield gathered_at(member, rule)


def is_together(rule: AlertRule) -> bool:
    """Whether a device counts only where others were lost with it."""
    return rule.condition == Condition.TOGETHER
