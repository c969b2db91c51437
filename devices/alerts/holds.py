"""Why a target is not told of an incident now: the first reason that applies, in order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Q

from devices.alerts import hours, views, windows
from devices.alerts.hours import Hours
from devices.alerts.windows import Cover
from devices.clock import Moment
from devices.listing import grouping
from devices.models import (
    AlertMessage,
    AlertRule,
    AlertTarget,
    Held,
    Incident,
    MirroredDevice,
    Mute,
    QuietHours,
    Source,
    Told,
)
from devices.models import IncidentMember as Member
from devices.models.alert_rules import Severity
from devices.words import clock
from fleets.models import Organization

Reason = Held.Reason

STORM: Final = 20  # first messages to a target
STORM_SPAN: Final = timedelta(minutes=10)
UNKNOWN: Final = timedelta(seconds=10)  # until another look where nobody knows how long a hold lasts
BEHIND: Final = timedelta(seconds=60)  # the teller may be; beyond that nothing is told
# What a silent VPN server may be the cause of, beside that its devices are lost.
FOLLOWS: Final = ("vpn", "never", "changes")
INSIDE: Final = (Member.State.FIRING, Member.State.RECOVERING)


@dataclass(frozen=True)
class Hold:
    """Why, until when (None: nobody knows), and of what, in words."""

    reason: Held.Reason
    until: datetime | None = None
    words: str = ""


@dataclass(frozen=True)
class Parent:
    """An open incident of a silent VPN server, its devices, and the targets that know of it; primary keys."""

    incident: int
    devices: set[int]
    targets: set[int]


@dataclass(frozen=True)
class Holds:
    """Everything that can hold messages about some incidents at a moment, read at once."""

    at: Moment
    covers: Mapping[int, Mapping[int, Cover]] = field(default_factory=dict)  # by incident, by device
    devices: Mapping[int, Collection[int]] = field(default_factory=dict)  # of an incident, by it
    unread: Mapping[int, str] = field(default_factory=dict)  # by device: the host of its silent source
    mutes: Mapping[int, Sequence[tuple[Mute, Collection[int]]]] = field(
        default_factory=dict
    )  # by organization
    parents: Sequence[Parent] = ()
    quiet: Mapping[int, QuietHours] = field(default_factory=dict)  # by person
    # When targets were sent first messages, the oldest first; the round adds its own.
    firsts: dict[int, list[datetime]] = field(default_factory=lambda: defaultdict(list))

    def of(self, incident: Incident, target: AlertTarget, rules: Sequence[AlertRule]) -> Hold | None:
        """What holds a message about this incident to this target, which these rules name; None: nothing."""
        asked = (
            self._outage(),
            self.of_devices(incident, target, rules),
            self._hours(rules),
            self._quiet(incident, target),
            self.paused(target),
        )
        return next((hold for hold in asked if hold), None)

    def of_devices(self, incident: Incident, target: AlertTarget, rules: Sequence[AlertRule]) -> Hold | None:
        """What holds it by its devices and rules: a silent source, maintenance, a mute, another incident."""
        return (
            self._source(incident)
            or self._maintenance(incident)
            or self._mute(incident, target, rules)
            or self._parent(incident, target)
        )

    def storm(self, target: AlertTarget) -> Hold | None:
        """Whether the target had as many first messages within ten minutes as it can take."""
        firsts = self.firsts.get(target.pk, [])
        if target.kind == AlertTarget.Kind.PAGE or len(firsts) < STORM:
            return None
        return Hold(Reason.STORM, firsts[-STORM] + STORM_SPAN)

    def _outage(self) -> Hold | None:
        return Hold(Reason.OUTAGE) if self.at.in_outage else None

    def _source(self, incident: Incident) -> Hold | None:
        """Whether all of it is known from sources alone that are silent."""
        hosts = {self.unread.get(device, "") for device in self.devices.get(incident.pk, ())}
        return Hold(Reason.SOURCE, words=min(hosts)) if hosts and "" not in hosts else None

    def _maintenance(self, incident: Incident) -> Hold | None:
        devices, covers = self.devices.get(incident.pk, ()), self.covers.get(incident.pk, {})
        if not devices or any(device not in covers for device in devices):
            return None
        last = max((covers[device] for device in devices), key=lambda cover: cover.occurrence.end)
        return Hold(Reason.MAINTENANCE, last.occurrence.end, last.window.title)

    def _mute(self, incident: Incident, target: AlertTarget, rules: Sequence[AlertRule]) -> Hold | None:
        mine = [
            (mute, devices)
            for mute, devices in self.mutes.get(incident.organization_id, [])
            if mute.person_id in (None, target.person_id)
        ]
        for mute, _ in mine:
            if mute.incident_id == incident.pk:
                return Hold(Reason.MUTE, mute.until, mute.note)
        ends = {mute.rule_id: mute.until for mute, _ in mine if mute.rule_id}
        if rules and all(rule.pk in ends for rule in rules):
            return Hold(Reason.MUTE, min(ends[rule.pk] for rule in rules))
        return self._muted_devices(incident, mine)

    def _parent(self, incident: Incident, target: AlertTarget) -> Hold | None:
        """Whether all of it follows from a silent VPN server, of which the target knows."""
        devices = set(self.devices.get(incident.pk, ()))
        if incident.what not in FOLLOWS or not devices:
            return None
        explain = (one for one in self.parents if target.pk in one.targets and devices <= one.devices)
        return next((Hold(Reason.PARENT) for one in explain if one.incident != incident.pk), None)

    def _muted_devices(
        self, incident: Incident, mutes: Iterable[tuple[Mute, Collection[int]]]
    ) -> Hold | None:
        ends: dict[int, datetime] = {}
        for mute, devices in mutes:
            for device in devices:
                ends[device] = max(mute.until, ends.get(device, mute.until))
        devices = self.devices.get(incident.pk, ())
        if not devices or any(device not in ends for device in devices):
            return None
        return Hold(Reason.MUTE, min(ends[device] for device in devices))

    def _hours(self, rules: Sequence[AlertRule]) -> Hold | None:
        opens = []
        for rule in rules:
            if rule.hours is None or (rule.severity == Severity.CRITICAL and rule.critical_ignores_hours):
                return None
            weekly = hours.read(rule.hours)
            if weekly.include(self.at.at):
                return None
            opens.append(weekly.next_change(self.at.at))
        return Hold(Reason.HOURS, min((at for at in opens if at), default=None)) if rules else None

    def _quiet(self, incident: Incident, target: AlertTarget) -> Hold | None:
        quiet = self.quiet.get(target.person_id or 0)
        if quiet is None or (quiet.critical_passes and incident.severity == Severity.CRITICAL):
            return None
        weekly = Hours(quiet.zone, quiet.weekly)
        if not weekly.include(self.at.at):
            return None
        return Hold(Reason.QUIET, weekly.next_change(self.at.at))

    def paused(self, target: AlertTarget) -> Hold | None:
        """Whether the target takes no messages."""
        paused = not target.enabled or target.state == AlertTarget.State.PAUSED
        return Hold(Reason.PAUSED) if paused else None


def words(hold: Hold, at: datetime) -> str:
    """What holds it, for people: "Maintenance Rewiring until 18:00"."""
    named = f"{Reason(hold.reason).label} {hold.words}".rstrip()
    return f"{named} until {clock(hold.until, at)}" if hold.until else named


def read(incidents: Sequence[Incident], targets: Collection[AlertTarget], at: Moment) -> Holds:
    """What can hold messages about these incidents to these targets; a few queries, however many they are."""
    organizations = {incident.organization_id: incident.organization for incident in incidents}
    lasting = [org for org in organizations.values() if windows.lasting(org, at.at)]
    mutes = _mutes(organizations.values(), at)
    parents = _parents(incidents)
    silent = _silent(organizations, at.at)
    devices = devices_of(incidents) if lasting or mutes or parents or silent else {}
    return Holds(
        at=at,
        covers=_covers(incidents, lasting, devices, at),
        devices=devices,
        unread=_unread(silent, devices) if silent else {},
        mutes=mutes,
        parents=parents,
        quiet={
            hours.person_id: hours
            for hours in QuietHours.objects.filter(person__in={t.person_id for t in targets if t.person_id})
        },
        firsts=_firsts(targets, at.at),
    )


def _silent(organizations: Collection[int], at: datetime) -> list[Source]:
    """The sources of these organizations that are not read any longer."""
    found = Source.objects.filter(organization__in=organizations, swept_at__lt=at)
    return [source for source in found if source.is_silent(at)]


def _unread(silent: Sequence[Source], devices: Mapping[int, set[int]]) -> dict[int, str]:
    """Of these devices those that only a silent source tells of, with its host."""
    mirrored = MirroredDevice.objects.filter(source__in=silent, device__poll__isnull=True)
    hosts = {source.pk: source.host for source in silent}
    found = mirrored.filter(device__in=set().union(*devices.values()))
    return {device: hosts[source] for device, source in found.values_list("device", "source")}


def _parents(incidents: Sequence[Incident]) -> list[Parent]:
    organizations = {one.organization_id for one in incidents if one.what in FOLLOWS}
    if not organizations:
        return []
    silent = Incident.objects.filter(organization__in=organizations, what=grouping.SILENT)
    found = list(silent.exclude(state=Incident.State.RESOLVED))
    devices = devices_of(found) if found else {}
    told = Told.objects.filter(incident__in=found).values_list("incident", "target") if found else ()
    targets = list(told)
    return [
        Parent(one.pk, devices.get(one.pk, set()), {target for pk, target in targets if pk == one.pk})
        for one in found
    ]


def devices_of(incidents: Sequence[Incident]) -> dict[int, set[int]]:
    """The devices that are in each incident; of one that is over, those that were."""
    found: dict[int, set[int]] = defaultdict(set)
    over = [incident for incident in incidents if incident.state == Incident.State.RESOLVED]
    members = Member.objects.filter(incident__in=incidents).order_by()
    mine = members.filter(Q(state__in=INSIDE) | Q(incident__in=over))
    for incident, device in mine.values_list("incident", "device_id"):
        found[incident].add(device)
    return found


def _covers(
    incidents: Sequence[Incident],
    lasting: Iterable[Organization],
    devices: Mapping[int, set[int]],
    at: Moment,
) -> dict[int, dict[int, Cover]]:
    found: dict[int, dict[int, Cover]] = {}
    for organization in lasting:
        mine = [incident.pk for incident in incidents if incident.organization_id == organization.pk]
        every = set[int]().union(*(devices.get(pk, ()) for pk in mine))
        covers = windows.in_maintenance(organization, every, at.at)
        found |= {pk: {one: covers[one] for one in devices.get(pk, ()) if one in covers} for pk in mine}
    return found


def _mutes(
    organizations: Iterable[Organization], at: Moment
) -> dict[int, list[tuple[Mute, Collection[int]]]]:
    found: dict[int, list[tuple[Mute, Collection[int]]]] = defaultdict(list)
    by_id = {organization.pk: organization for organization in organizations}
    lasting = Mute.objects.filter(organization__in=by_id, until__gt=at.at).select_related("view")
    for mute in lasting:
        found[mute.organization_id].append((mute, _muted(mute, by_id[mute.organization_id], at)))
    return found


def _muted(mute: Mute, organization: Organization, at: Moment) -> Collection[int]:
    """The devices that a mute of a device or of a view means now."""
    if mute.device_id:
        return [mute.device_id]
    if mute.view is None:
        return ()
    return views.listed(mute.view, organization, at)


def _firsts(targets: Collection[AlertTarget], at: datetime) -> dict[int, list[datetime]]:
    found: dict[int, list[datetime]] = defaultdict(list)
    sent = AlertMessage.objects.filter(
        target__in=targets, kind=AlertMessage.Kind.FIRST, digest=False, created_at__gt=at - STORM_SPAN
    )
    for target, created_at in sent.order_by("created_at").values_list("target", "created_at"):
        found[target].append(created_at)
    return found


def held_back(incidents: Sequence[Incident]) -> Mapping[tuple[int, int], Held]:
    """What is held now, by incident and target."""
    return {(held.incident_id, held.target_id): held for held in Held.objects.filter(incident__in=incidents)}
