"""What is recorded of members and incidents, as a round needs it: by a bounded number of queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection
from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from devices.alerts.cases import Case
from devices.alerts.gathering import Gathering
from devices.alerts.lifecycle import Away, State, apart
from devices.listing.grouping import ALONE, Lost
from devices.listing.trouble import MICROSECONDS
from devices.models import AlertRule, Incident, IncidentMember, MirroredDevice, Outage, Source, SourceOutage
from fleets.postgres.expressions import among

DUE = (State.FIRING, State.RECOVERING)
OPEN = ~Q(state=Incident.State.RESOLVED)


AGAIN: Final = timedelta(seconds=30)  # what waits for a sweep is asked again so much later
# What is not due yet, as Lost has it, without its UUID and name.
PENDING: Final = f"""
SELECT rule_id, device_id, '', '', fleet_id, status, rank, {MICROSECONDS.format("since")}, what,
       {MICROSECONDS.format("moment")}, NULL, host(address), server_id, release, tags::text
FROM devices_incidentmember
WHERE organization_id = %(organization)s AND incident_id IS NULL AND next_at IS NOT NULL
  AND moment >= %(since)s AND due_at > %(until)s
"""
DELETED: Final = 0  # stands for the id of a rule that was deleted


def rules() -> dict[int, AlertRule]:
    """Those in force, and those that are not but hold devices, by id; 0 stands for deleted ones."""
    holding = IncidentMember.objects.exclude(state=State.GONE).filter(rule=OuterRef("pk"))
    wanted = Q(enabled=True) | Exists(holding)
    found = {rule.pk: rule for rule in AlertRule.objects.filter(wanted).select_related("organization")}
    return found | {DELETED: AlertRule(pk=DELETED, enabled=False, condition="", delay=0, hold=0, gather=0)}


def of_deleted_rules() -> QuerySet[IncidentMember]:
    """Members that are not gone, though their rule is."""
    return IncidentMember.objects.filter(rule=None).exclude(state=State.GONE)


def away(
    since: datetime, until: datetime, devices: Collection[int] = (), unseen_since: datetime | None = None
) -> Away:
    """Our own interruptions that were not over at `since`, or at `unseen_since` if that is earlier, and the
    times in which sources were not read.

    The time after the last sweep is not observed yet: it is taken to last beyond `until`, so that what
    depends on it is asked again. `devices`: those that are looked at, besides members that are not gone.
    """
    ended = Outage.objects.filter(ended_at__gt=min(since, unseen_since or since))
    own = list(ended.order_by("began_at").values_list("began_at", "ended_at"))
    swept = dict(Source.objects.filter(swept_at__isnull=False).values_list("pk", "swept_at"))
    if not swept:
        return Away(own)
    unread: dict[int, list[Any]] = {
        source: [*own, (at, until + AGAIN)] if at and at < until else [*own] for source, at in swept.items()
    }
    silences = SourceOutage.objects.filter(ended_at__gt=since, source__in=swept)
    for source, began, end in silences.values_list("source", "began_at", "ended_at"):
        unread[source].append((began, end))
    spans = {source: apart(found) for source, found in unread.items()}
    return Away(own, spans, _sources(devices))


def _sources(devices: Collection[int]) -> dict[int, int]:
    """By device, of these and of members that are not gone, the source that alone tells of it."""
    there = IncidentMember.objects.exclude(state=State.GONE)
    looked_at = Q(device__in=devices) | Q(device__in=there.values("device_id"))
    mirrored = MirroredDevice.objects.filter(looked_at, device__poll__isnull=True)
    return dict(mirrored.values_list("device", "source"))


def members(devices: Collection[int], until: datetime) -> list[IncidentMember]:
    """Of these devices and of those that the clock changes, with those gone from an open incident."""
    due = IncidentMember.objects.filter(next_at__lte=until).values_list("device_id", flat=True)
    named = {*devices, *due}
    there = ~Q(state=State.GONE) | Q(incident__isnull=False, incident__resolved_at=None)
    return list(_members().filter(among("device_id", named), there)) if named else []


def _members() -> QuerySet[IncidentMember]:
    return IncidentMember.objects.select_related("incident")


def held(devices: Collection[int]) -> dict[int, set[int]]:
    """By rule, those of these devices that it holds."""
    there = IncidentMember.objects.filter(among("device_id", devices), rule__isnull=False)
    found: dict[int, set[int]] = defaultdict(set)
    for rule, device in there.exclude(state=State.GONE).order_by().values_list("rule", "device_id"):
        found[rule].add(device)
    return found


class Known:
    """The incidents that a round has read, each once."""

    def __init__(self, until: datetime) -> None:
        self.cases: dict[int, Case] = {}  # by id
        self._until = until

    def read(self, organizations: Collection[int], devices: Collection[int]) -> None:
        """Open incidents of several devices, or of one of these alone, and those that the clock changes."""
        keys = [str(device) for device in devices]
        near = (~Q(kind=ALONE) | among("key", keys)) & Q(organization__in=organizations)
        near |= Q(tell_at__lte=self._until, state=Incident.State.GATHERING) | Q(apart_at__lte=self._until)
        self.add(Incident.objects.filter(OPEN, near))

    def add(self, rows: Iterable[Incident]) -> None:
        """With how many members they have by rule and rank."""
        new = {row.pk: Case(row) for row in rows if row.pk not in self.cases}
        if new:
            inside = IncidentMember.objects.filter(incident__in=list(new), state__in=DUE).order_by()
            counted = inside.values_list("incident", "rule", "rank").annotate(number=Count("pk"))
            for incident, rule, rank, number in counted:
                new[incident].ranks[rule or 0, rank] = number
        self.cases |= new

    def tell(self, there: Gathering, found: Iterable[IncidentMember]) -> None:
        """Tell the gathering of these members and of all incidents that were read."""
        found = list(found)
        self.add([m.incident for m in found if m.incident and m.incident.resolved_at is None])
        for case in self.cases.values():
            there.know(case)
        for member in found:
            its = self.cases.get(member.incident_id or 0)
            if member.state != State.GONE:
                there.hold(member, its)
            elif its:
                its.ever.add(member.device_id)

    def waiting(self, organization: int, since: datetime) -> Iterator[tuple[IncidentMember, Case | None]]:
        """Of an organization, those lost since then that are due and stand in no incident, or alone."""
        here = _members().filter(organization=organization, moment__gte=since).exclude(state=State.GONE)
        loose = list(here.filter(incident=None, next_at__isnull=False, due_at__lte=self._until))
        single = Incident.objects.filter(OPEN, organization=organization, kind=ALONE, last__gte=since)
        alone = list(here.filter(incident__in=list(single.values_list("pk", flat=True))))
        self.add(m.incident for m in alone if m.incident)
        for member in [*loose, *alone]:
            yield member, self.cases.get(member.incident_id or 0)

    def pending(self, organization: int, since: datetime) -> Iterator[tuple[int, Lost]]:
        """Of an organization, what those lost since then that are not due yet have lost, each with its rule.

        These may be all devices of the site, and Django would take kilobytes for each.
        """
        with connection.cursor() as cursor:
            params: dict[str, Any] = {"organization": organization, "since": since, "until": self._until}
            cursor.execute(PENDING, params)
            for rule, *lost in cursor:
                yield rule or DELETED, Lost(*lost)


def members_of(incident: Incident) -> Iterable[IncidentMember]:
    """The members that stand in an incident."""
    return _members().filter(incident=incident.pk, state__in=DUE) if incident.pk else ()
