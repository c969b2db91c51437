"""The told principle: what a target is told when what held it ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from dashboard.models import User
from devices.alerts import acknowledging, mutes, rules, telling, told, windows
from devices.alerts.hours import Hours
from devices.alerts.rules import Step, usual
from devices.alerts.windows import Plan
from devices.clock import Moment, listened
from devices.listing.kept_list import KeptFilters
from devices.models import (
    AlertMessage,
    AlertRule,
    AlertTarget,
    Condition,
    Device,
    Held,
    Incident,
    IncidentMember,
    QuietHours,
    Severity,
    Told,
)
from fleets.models import Organization, Role
from tests.factories import make_device, make_fleet, make_member, make_organization

pytestmark = pytest.mark.django_db

T = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)  # a Monday
MINUTE = timedelta(minutes=1)
HELD_FROM, HELD_UNTIL = T + 10 * MINUTE, T + 70 * MINUTE
DELAY = 2 * MINUTE


@dataclass
class Site:
    """An organization with one rule, one target, and an incident that a test opens, grows and ends."""

    organization: Organization
    person: User
    target: AlertTarget
    rule: AlertRule
    devices: list[Device]
    outage: tuple[datetime, datetime] | None = None
    incidents: list[Incident] = field(default_factory=list)

    def open(self, at: datetime, number: int = 12, first: int = 0) -> Incident:
        values = {"kind": 0, "key": "", "what": "heartbeat", "first": at, "last": at, "rank": 0}
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
                what="heartbeat",
                moment=at,
                fleet_id=device.fleet_id,
            )
        self.incidents.append(incident)
        self.look(at)
        return incident

    def resolve(self, incident: Incident, at: datetime) -> None:
        members = IncidentMember.objects.filter(incident=incident)
        members.update(state="gone", gone_at=at, reason="recovered", next_at=None)
        Incident.objects.filter(pk=incident.pk).update(state="resolved", resolved_at=at, now=0)
        self.look(at)

    def look(self, at: datetime) -> None:
        """A round at this moment, and a target that takes what it is sent."""
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
        """What was told, in order: which kind, when."""
        return [(one.kind, one.created_at) for one in AlertMessage.objects.order_by("created_at", "pk")]

    @property
    def since_the_hold(self) -> list[str]:
        return [kind for kind, at in self.messages if at >= HELD_FROM]


@pytest.fixture
def site() -> Site:
    organization = make_organization()
    fleet = make_fleet(organization)
    person = make_member(organization, Role.ADMINISTRATOR)
    target = AlertTarget.objects.create(organization=organization, kind="webhook", name="Ops", person=person)
    wanted = usual("Offline", Condition.STATUS, Severity.WARNING, steps=[Step(timedelta(), [target])])
    rule = rules.create(organization=organization, wanted=wanted, actor=person, at=T)
    return Site(organization, person, target, rule, [make_device(fleet) for _ in range(30)])


def muted(site: Site) -> None:
    mutes.mute(
        what=site.rule,
        organization=site.organization,
        until=HELD_UNTIL,
        actor=site.person,
        for_all=True,
        note="Known",
        at=HELD_FROM,
    )


def in_maintenance(site: Site) -> None:
    starts, ends = (moment.replace(tzinfo=None) for moment in (HELD_FROM, HELD_UNTIL))
    plan = Plan(title="Rewiring", scope=KeptFilters(), starts=starts, ends=ends, zone="UTC")
    windows.plan(organization=site.organization, plan=plan, actor=site.person, at=HELD_FROM)


def outside_of_hours(site: Site) -> None:
    hours = Hours("UTC", [(0, 0, 12 * 60 + 10), (0, 13 * 60 + 10, 24 * 60)])
    AlertRule.objects.update(hours=hours.stored())


def in_quiet_hours(site: Site) -> None:
    QuietHours.objects.create(person=site.person, zone="UTC", weekly=[[0, 12 * 60 + 10, 13 * 60 + 10]])


def in_an_outage(site: Site) -> None:
    site.outage = (HELD_FROM, HELD_UNTIL)


def paused(site: Site) -> None:
    AlertTarget.objects.update(state="paused")


def unpaused(site: Site) -> None:
    AlertTarget.objects.update(state="works")


HOLDS: list[tuple[Callable[[Site], None], str]] = [
    (muted, "mute"),
    (in_maintenance, "maintenance"),
    (outside_of_hours, "hours"),
    (in_quiet_hours, "quiet"),
    (in_an_outage, "outage"),
    (paused, "paused"),
]
holds = pytest.mark.parametrize(("hold", "reason"), HOLDS)


def begin(site: Site, hold: Callable[[Site], None]) -> None:
    hold(site)


def end(site: Site, hold: Callable[[Site], None]) -> None:
    if hold is paused:
        unpaused(site)
    site.look(HELD_UNTIL)


@holds
def test_what_is_over_by_then_and_was_not_told_is_told_never(
    site: Site, hold: Callable[[Site], None], reason: str
) -> None:
    begin(site, hold)
    incident = site.open(HELD_FROM + MINUTE)
    assert Held.objects.get().reason == reason
    site.resolve(incident, HELD_FROM + 5 * MINUTE)
    end(site, hold)
    assert site.messages == []
    assert Held.objects.get().reason == reason  # it stands in the list, marked


@holds
def test_what_is_firing_by_then_and_was_not_told_is_told_then(
    site: Site, hold: Callable[[Site], None], reason: str
) -> None:
    begin(site, hold)
    incident = site.open(HELD_FROM + MINUTE)
    end(site, hold)
    told_at = HELD_UNTIL
    if hold is in_maintenance:  # a whole delay after it
        assert site.messages == []
        told_at += DELAY
        site.look(told_at - timedelta(seconds=1))
        assert site.messages == []
        site.look(told_at)
    assert site.messages == [("first", told_at)]
    opened_at = AlertMessage.objects.get().snapshot["opened_at"]
    assert opened_at == incident.opened_at.isoformat().replace("+00:00", "Z")  # its true since
    assert not Held.objects.exists()


@holds
@pytest.mark.parametrize(("number", "update"), [(12, []), (16, []), (17, ["update"])])
def test_what_was_told_and_is_firing_is_told_again_only_where_it_grew(
    site: Site, hold: Callable[[Site], None], reason: str, number: int, update: list[str]
) -> None:
    incident = site.open(T)
    begin(site, hold)
    Incident.objects.filter(pk=incident.pk).update(now=number, at_most=number)
    site.look(HELD_FROM + MINUTE)
    assert site.since_the_hold == []
    end(site, hold)
    assert site.since_the_hold == update


@holds
def test_what_was_told_and_is_over_by_then_is_told_then_with_its_true_end(
    site: Site, hold: Callable[[Site], None], reason: str
) -> None:
    incident = site.open(T)
    begin(site, hold)
    site.resolve(incident, HELD_FROM + 21 * MINUTE)
    assert site.since_the_hold == []
    end(site, hold)
    assert site.messages[1:] == [("resolved", HELD_UNTIL)]
    resolved = AlertMessage.objects.get(kind="resolved")
    assert resolved.snapshot["resolved_at"] == "2026-03-02T12:31:00Z"


@holds
def test_what_is_told_to_be_over_stays_so(site: Site, hold: Callable[[Site], None], reason: str) -> None:
    incident = site.open(T)
    site.resolve(incident, T + MINUTE)
    begin(site, hold)
    site.look(HELD_FROM)
    end(site, hold)
    site.look(HELD_UNTIL + DELAY)
    assert [kind for kind, _ in site.messages] == ["first", "resolved"]
    assert Told.objects.get().state == Told.State.RESOLVED


@holds
def test_the_end_of_the_first_is_told_with_another_incident_of_the_same_devices(
    site: Site, hold: Callable[[Site], None], reason: str
) -> None:
    first = site.open(T)
    begin(site, hold)
    site.resolve(first, HELD_FROM + MINUTE)
    site.open(HELD_FROM + 5 * MINUTE)
    end(site, hold)
    site.look(HELD_UNTIL + DELAY)
    told = ["first", "resolved", "first"] if hold is in_maintenance else ["first", "first"]
    assert [kind for kind, _ in site.messages] == told
    assert {one.state for one in Told.objects.filter(incident=first)} == {Told.State.RESOLVED}
    over = AlertMessage.objects.order_by("-pk")[0].snapshot["over"]
    assert [one["incident"] for one in over] == ([] if hold is in_maintenance else [str(first.uuid)])


def test_numbers_count_each_target_from_one_without_a_gap(site: Site) -> None:
    incident = site.open(T)
    Incident.objects.filter(pk=incident.pk).update(now=20, at_most=20)
    site.look(T + 5 * MINUTE)
    site.resolve(incident, T + 20 * MINUTE)
    numbers = AlertMessage.objects.order_by("pk").values_list("number", "kind")
    assert list(numbers) == [(1, "first"), (2, "update"), (3, "resolved")]


def test_an_acknowledgement_is_told_and_ends_when_the_incident_outgrows_it(site: Site) -> None:
    incident = site.open(T)
    acknowledging.acknowledge(incident=incident, actor=site.person, at=T + MINUTE)
    site.look(T + MINUTE)
    Incident.objects.filter(pk=incident.pk).update(now=31, at_most=31)
    site.look(T + 3 * MINUTE)
    assert [kind for kind, _ in site.messages] == ["first", "acknowledged", "update"]
    update = AlertMessage.objects.get(kind="update").snapshot
    assert update["reason"] == "outgrown"
    assert (update["acknowledged"]["members"], update["members"]["now"]) == (12, 31)
    incident.refresh_from_db()
    assert incident.acknowledged_at is None


def test_an_acknowledgement_that_expires_is_told(site: Site) -> None:
    incident = site.open(T)
    acknowledging.acknowledge(incident=incident, actor=site.person, until=T + 60 * MINUTE, at=T + MINUTE)
    site.look(T + MINUTE)
    incident.refresh_from_db()
    assert incident.look_at == T + 60 * MINUTE
    site.look(T + 60 * MINUTE)
    assert [kind for kind, _ in site.messages] == ["first", "acknowledged", "update"]


def test_a_later_step_is_skipped_once_somebody_took_it_on(site: Site) -> None:
    boss = AlertTarget.objects.create(organization=site.organization, kind="webhook", name="Boss")
    steps = [Step(timedelta(), [site.target]), Step(30 * MINUTE, [boss])]
    wanted = usual("Offline", Condition.STATUS, Severity.WARNING, steps=steps)
    seen = rules.version_of(site.rule)
    rules.change(rule=site.rule, wanted=wanted, seen=seen, actor=site.person, at=T)
    taken_on, nobodys = site.open(T), site.open(T, first=12)
    nobodys.refresh_from_db()
    assert nobodys.look_at == T + 30 * MINUTE
    acknowledging.acknowledge(incident=taken_on, actor=site.person, at=T + MINUTE)
    site.look(T + 30 * MINUTE)
    told_boss = AlertMessage.objects.filter(target=boss).values_list("incident", flat=True)
    assert list(told_boss) == [nobodys.pk]


def test_of_a_storm_twenty_are_told_and_the_others_in_one_message(site: Site) -> None:
    for number in range(23):
        site.open(T + timedelta(seconds=number), number=1, first=number)
    kinds = [kind for kind, _ in site.messages]
    assert (kinds.count("first"), kinds.count("notice")) == (20, 1)
    assert set(Held.objects.values_list("reason", flat=True)) == {"storm"}
    site.look(T + 6 * MINUTE)
    notices = AlertMessage.objects.filter(kind="notice").order_by("pk")
    assert [notice.snapshot["incidents"] for notice in notices] == [1, 3]
    site.look(T + 10 * MINUTE + timedelta(seconds=30))  # the first ones are ten minutes ago
    assert [kind for kind, _ in site.messages].count("first") == 23
    assert not Held.objects.exists()


def test_what_goes_to_the_page_is_there_at_once(site: Site) -> None:
    AlertTarget.objects.update(kind="page")
    telling.tell([], listened(T))
    incident = site.open(T)
    message = AlertMessage.objects.get()
    assert (message.outcome, message.accepted_at) == ("accepted", T)
    assert Told.objects.get(incident=incident).members == 12


def test_a_message_says_what_is_so_and_nothing_of_notes(site: Site) -> None:
    Device.objects.update(notes="Key under the mat")
    site.open(T)
    said = AlertMessage.objects.get().snapshot
    assert said["summary"] == "12 devices lost the API heartbeat within 1\u00a0s and are Offline"
    assert said["members"] == {"now": 12, "at_most": 12, "ever": 12, "by_status": {"offline": 12}}
    assert [device["name"] for device in said["devices"]] == [device.name for device in site.devices[:12]]
    assert said["url"] == f"/incidents/{site.incidents[0].uuid}/"
    assert "mat" not in str(said)
