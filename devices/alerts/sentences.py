"""What befell the devices of incidents, as one sentence each, without a full stop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final

from django.db.models import Q

from devices.alerts.cause import OF_A_FLEET, Cause
from devices.alerts.shares import NO_DEVICE
from devices.alerts.unseen import spans
from devices.listing import grouping
from devices.listing.line_sentences import ALONE as HAPPENED
from devices.listing.line_sentences import SENTENCES, sentence
from devices.listing.line_shares import MANY, shared, totals
from devices.models import Device, Incident
from devices.models import IncidentMember as Member
from devices.rules.vocabulary import RANKS, Status
from devices.words import counted, of_site, thousands
from fleets.models import Fleet

# What is said of one device, behind its name, and of {devices}, where nothing was lost: by what a rule found
# (Lost.what of devices/alerts: unstable.py, comparing.py).
ELSE: Final = {
    "changes": ("changes a link often", "{devices} change a link often"),
    "contact": ("has not been in contact", "{devices} have not been in contact"),
    "arrival": ("was registered and never came", "{devices} were registered and never came"),
    "vitals": ("reports a critical value", "{devices} report a critical value"),
    "status": ("has a status that a rule names", "{devices} have a status that a rule names"),
}
ANYTHING: Final = ("needs attention", "{devices} need attention")
# What is said of one device when it is over, where that reads differently.
OVER: Final = {
    "progress": "made no progress",
    "changes": "changed a link often",
    "contact": "had not been in contact",
    "vitals": "reported a critical value",
    "status": "had a status that a rule names",
}
# Members that are in an incident now; of one that is over, those that were.
THERE: Final = Q(state__in=(Member.State.FIRING, Member.State.RECOVERING)) | Q(
    incident__state=Incident.State.RESOLVED
)
# Of a rule about a share of devices, which holds none of them.
SHARE: Final = "The share of devices with the statuses of a rule is above its limit"
SHARE_OVER: Final = "The share of devices with the statuses of a rule was above its limit"


@dataclass(frozen=True)
class Said:
    """The sentence of an incident; of several devices {devices} with what they share, and how many share it.

    `place` is "" and `of` None where they share nothing; `of` is None, too, where very many share it.
    """

    sentence: str
    place: str = ""
    of: int | None = None


def sentences(
    incidents: Iterable[Incident], at: datetime, counts: Mapping[int, Mapping[int, int]] | None = None
) -> dict[int, str]:
    """The sentence of each incident, by primary key, as `said_of` has it."""
    return {pk: said.sentence for pk, said in said_of(incidents, at, counts).items()}


def said_of(
    incidents: Iterable[Incident], at: datetime, counts: Mapping[int, Mapping[int, int]] | None = None
) -> dict[int, Said]:
    """What is said of each incident, by primary key. `counts`: how many of its devices have which rank
    now, by incident and rank (None: not said).

    As many queries for one incident as for many of an organization.
    """
    found = list(incidents)
    of_one = _only_members(found)
    by_organization = groupby(sorted(found, key=_organization), key=_organization)
    said = dict[int, Said]()
    for organization, some in by_organization:
        said.update(_of_many(organization, some, at, counts or {}))
    return said | {one.pk: Said(one_sentence(one, of_one[one.pk])) for one in found if one.pk in of_one}


def many_sentence(
    incident: Incident, place: str, of: int | None, span: timedelta, counts: Mapping[int, int] | None = None
) -> str:
    """Of several devices. `place`: {devices} with what they share; `of`: how many share it; `span`: within
    which time they were lost; `counts`: how many have which rank now (None: not said).
    """
    number = incident.now or incident.at_most
    devices = counted(number, "1 device", "{n} devices")
    if of is not None:
        devices = f"{thousands(number)} of {thousands(of)} devices"
    over = incident.state == Incident.State.RESOLVED
    if incident.what in SENTENCES:
        numbers = [0 if over else (counts or {}).get(rank, 0) for rank in range(grouping.RANKS)]
        said = sentence(incident.what, numbers, span)
    else:
        said = ELSE.get(incident.what, ANYTHING)[1]
    return said.replace("{devices}", place.replace("{devices}", devices))


def one_sentence(incident: Incident, member: Member) -> str:
    """Of one device, by its name."""
    over = incident.state == Incident.State.RESOLVED
    if member.device_id == NO_DEVICE:
        return SHARE_OVER if over else SHARE
    return f"{member.device_name or member.device_uuid[:7]} {_of_one(incident, member, over=over)}"


def _of_one(incident: Incident, member: Member, *, over: bool) -> str:
    if member.rank == RANKS.index(Status.OFFLINE) and incident.what not in ELSE:
        return "was Offline" if over else "is Offline"
    if over and incident.what in OVER:
        return OVER[incident.what]
    if incident.what in HAPPENED:
        return of_site(HAPPENED[incident.what])
    return ELSE.get(incident.what, ANYTHING)[0]


def _organization(incident: Incident) -> int:
    return incident.organization_id


def _only_members(incidents: Sequence[Incident]) -> dict[int, Member]:
    """Of those of one device, by incident: its member."""
    alone = [one.pk for one in incidents if (one.now or one.at_most) == 1]
    members = Member.objects.filter(THERE, incident__in=alone).order_by("incident_id", "rank", "due_at", "pk")
    return {member.incident_id: member for member in members.distinct("incident_id") if member.incident_id}


def _of_many(
    organization: int, incidents: Iterable[Incident], at: datetime, counts: Mapping[int, Mapping[int, int]]
) -> Iterable[tuple[int, Said]]:
    found = {str(one.uuid): one for one in incidents}
    shares = [one for one in found.values() if one.kind != grouping.ALONE]
    keys = {int(one.key.split()[0]) for one in shares if one.kind in OF_A_FLEET}
    devices = Device.objects.filter(organization=organization)
    lines = [Cause(one).line for one in shares]
    places = shared(lines, devices, Fleet.objects.in_bulk(keys) if keys else {})
    numbers = totals(lines, devices, places, at)
    within = spans(found.values())
    for name, one in found.items():
        if name in places:
            of = total(one, numbers.get(name, 0))
            place = places[name].place
            yield one.pk, Said(many_sentence(one, place, of, within[one.pk], counts.get(one.pk)), place, of)
        else:
            yield one.pk, Said(many_sentence(one, "{devices}", None, within[one.pk], counts.get(one.pk)))


def total(incident: Incident, number: int) -> int | None:
    """How many devices share the cause, if so many do now; None: very many."""
    return max(number, incident.now, incident.at_most) if number <= MANY else None
