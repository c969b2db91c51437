"""The told principle: what a target is told when what held it ends."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from devices.alerts import mutes, windows
from devices.alerts.hours import Hours
from devices.alerts.windows import Plan
from devices.listing import grouping
from devices.listing.kept_list import KeptFilters
from devices.models import (
    AlertMessage,
    AlertRule,
    AlertTarget,
    Held,
    Incident,
    QuietHours,
    Source,
    Told,
)
from tests.devices.alerts.telling_site import HELD_FROM, HELD_UNTIL, MINUTE, Site, T, make_site
from tests.incidents import make_incident, make_rule, put_in
from tests.mirrors import mirror

pytestmark = pytest.mark.django_db

DELAY = 2 * MINUTE


@pytest.fixture
def site() -> Site:
    return make_site()


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


def part_of_a_larger(site: Site) -> None:
    """The VPN server of all devices is silent, of which the target knows."""
    site.what = "vpn"
    Incident.objects.update(what="vpn")
    parent = make_incident(site.organization, T, kind=grouping.SERVER, key="1", what=grouping.SILENT)
    put_in(parent, site.devices, make_rule(site.organization))
    Told.objects.create(
        incident=parent, target=site.target, state="firing", members=30, rank=1, number=1, at=T
    )


def of_a_silent_source(site: Site) -> None:
    mirror(*site.devices, swept_at=HELD_FROM - 4 * MINUTE)


def whole_again(site: Site) -> None:
    parents = Incident.objects.filter(what=grouping.SILENT)
    parents.update(state="resolved", resolved_at=HELD_UNTIL)
    Told.objects.filter(incident__in=parents).update(state=Told.State.RESOLVED)


def unpaused(site: Site) -> None:
    AlertTarget.objects.update(state="works")


HOLDS: list[tuple[Callable[[Site], None], str]] = [
    (muted, "mute"),
    (in_maintenance, "maintenance"),
    (outside_of_hours, "hours"),
    (in_quiet_hours, "quiet"),
    (in_an_outage, "outage"),
    (of_a_silent_source, "source"),
    (part_of_a_larger, "parent"),
    (paused, "paused"),
]
holds = pytest.mark.parametrize(("hold", "reason"), HOLDS)


def begin(site: Site, hold: Callable[[Site], None]) -> None:
    hold(site)


def end(site: Site, hold: Callable[[Site], None]) -> None:
    if hold is paused:
        unpaused(site)
    if hold is part_of_a_larger:
        whole_again(site)
    if hold is of_a_silent_source:
        Source.objects.update(swept_at=HELD_UNTIL)
    site.tell(HELD_UNTIL)


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
        site.tell(told_at - timedelta(seconds=1))
        assert site.messages == []
        site.tell(told_at)
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
    site.tell(HELD_FROM + MINUTE)
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
    site.tell(HELD_FROM)
    end(site, hold)
    site.tell(HELD_UNTIL + DELAY)
    assert [kind for kind, _ in site.messages] == ["first", "resolved"]
    assert {one.state for one in Told.objects.all()} == {Told.State.RESOLVED}


@holds
def test_the_end_of_the_first_is_told_with_another_incident_of_the_same_devices(
    site: Site, hold: Callable[[Site], None], reason: str
) -> None:
    first = site.open(T)
    begin(site, hold)
    site.resolve(first, HELD_FROM + MINUTE)
    site.open(HELD_FROM + 5 * MINUTE)
    end(site, hold)
    site.tell(HELD_UNTIL + DELAY)
    told = ["first", "resolved", "first"] if hold is in_maintenance else ["first", "first"]
    assert [kind for kind, _ in site.messages] == told
    assert {one.state for one in Told.objects.filter(incident=first)} == {Told.State.RESOLVED}
    over = AlertMessage.objects.order_by("-pk")[0].snapshot["over"]
    assert [one["incident"] for one in over] == ([] if hold is in_maintenance else [str(first.uuid)])
