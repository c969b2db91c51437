"""A site of which incidents are told, for the tests of telling."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from dashboard.models import User
from devices.alerts import rules, telling, told
from devices.alerts.rule_values import Step, usual
from devices.clock import Moment, listened
from devices.models import (
    AlertMessage,
    AlertRule,
    AlertTarget,
    Condition,
    Device,
    Incident,
    IncidentMember,
    Severity,
)
from fleets.models import Organization, Role
from tests.factories import make_device, make_fleet, make_member, make_organization

T = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)  # a Monday
MINUTE = timedelta(minutes=1)
HELD_FROM, HELD_UNTIL = T + 10 * MINUTE, T + 70 * MINUTE


@dataclass
class Site:
    """An organization with one rule, one target, and an incident that a test opens, grows and ends."""

    organization: Organization
    person: User
    target: AlertTarget
    rule: AlertRule
    devices: list[Device]
    what: str = "heartbeat"  # what the devices lose
    outage: tuple[datetime, datetime] | None = None
    incidents: list[Incident] = field(default_factory=list)

    def open(self, at: datetime, number: int = 12, first: int = 0) -> Incident:
        """Open an incident of `number` devices, from the index `first` on, and hold a round."""
        values = {"kind": 0, "key": "", "what": self.what, "first": at, "last": at, "rank": 0}
        incident = Incident.objects.create(
            organization=self.organization,
            severity="warning",
            state=Incident.State.FIRING,
            opened_at=at,
            tell_at=at,
            now=number,
            at_most=number,
            ever=number,
            **values,
        )
        for device in self.devices[first : first + number]:
            IncidentMember.objects.create(
                organization=self.organization,
                rule=self.rule,
                incident=incident,
                device_id=device.pk,
                device_uuid=device.uuid,
                device_name=device.name,
                state="firing",
                since=at,
                due_at=at,
                status="offline",
                rank=0,
                what=self.what,
                moment=at,
                fleet_id=device.fleet_id,
            )
        self.incidents.append(incident)
        self.tell(at)
        return incident

    def resolve(self, incident: Incident, at: datetime) -> None:
        """Resolve an incident, whose devices recovered, and hold a round."""
        members = IncidentMember.objects.filter(incident=incident)
        members.update(state="gone", gone_at=at, reason="recovered", next_at=None)
        Incident.objects.filter(pk=incident.pk).update(state="resolved", resolved_at=at, now=0)
        self.tell(at)

    def tell(self, at: datetime) -> None:
        """Hold a round at this moment; the targets accept what they are sent."""
        telling.tell(Incident.objects.filter(pk__in=[one.pk for one in self.incidents]), self._moment(at))
        sent = AlertMessage.objects.filter(outcome="").select_related("target")
        told.record(sent, at)
        sent.update(outcome="accepted", accepted_at=at, next_at=None)

    def _moment(self, at: datetime) -> Moment:
        if self.outage and self.outage[0] <= at < self.outage[1]:
            return Moment(at, self.outage[0], self.outage[0])
        return listened(at)

    @property
    def messages(self) -> list[tuple[str, datetime]]:
        """The kind of each message and the moment it was written, in order."""
        return [(one.kind, one.created_at) for one in AlertMessage.objects.order_by("created_at", "pk")]

    @property
    def since_the_hold(self) -> list[str]:
        """The kinds of the messages that were written from HELD_FROM on."""
        return [kind for kind, at in self.messages if at >= HELD_FROM]


def make_site() -> Site:
    """A site with 30 devices, a rule about Offline, and a webhook that the rule tells at once."""
    organization = make_organization()
    fleet = make_fleet(organization)
    person = make_member(organization, Role.ADMINISTRATOR)
    target = AlertTarget.objects.create(organization=organization, kind="webhook", name="Ops", person=person)
    wanted = usual("Offline", Condition.STATUS, Severity.WARNING, steps=[Step(timedelta(), [target])])
    rule = rules.create(organization=organization, wanted=wanted, actor=person, at=T)
    return Site(organization, person, target, rule, [make_device(fleet) for _ in range(30)])
