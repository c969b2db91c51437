"""Maintenance windows and mutes: who may, what is refused, what is covered, what the audit log says."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from django.core.exceptions import PermissionDenied

from dashboard.models import User
from devices.alerts import mutes, windows
from devices.alerts.refusals import Invalid, TooMany
from devices.alerts.windows import Plan, in_maintenance, version_of
from devices.listing.filters import Tag
from devices.listing.kept_list import KeptFilters
from devices.models import Device, MaintenanceWindow, Mute
from devices.rules.vocabulary import Status
from fleets.meanwhile import ChangedMeanwhile
from fleets.models import AuditEntry, Fleet, Organization, Role
from tests.factories import T0, make_device, make_fleet, make_member, make_organization

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
NOON = T0.replace(tzinfo=None)


@pytest.fixture
def organization() -> Organization:
    return make_organization()


@pytest.fixture
def fleet(organization: Organization) -> Fleet:
    return make_fleet(organization)


@pytest.fixture
def mia(organization: Organization) -> User:
    return make_member(organization, Role.OPERATOR, "mia")


def a_plan(**values: object) -> Plan:
    usual = Plan(title="Rewiring", scope=KeptFilters(), starts=NOON, ends=NOON + 2 * HOUR, zone="UTC")
    return replace(usual, **values)  # type: ignore[arg-type]


def planned(organization: Organization, actor: User, **values: object) -> MaintenanceWindow:
    return windows.plan(organization=organization, plan=a_plan(**values), actor=actor, at=T0 - HOUR)


def test_it_covers_the_devices_of_its_scope_while_it_lasts(
    organization: Organization, fleet: Fleet, mia: User
) -> None:
    tagged, other = make_device(fleet, tags={"site": "depot"}), make_device(fleet)
    stranger = make_device(tags={"site": "depot"})
    window = planned(organization, mia, scope=KeptFilters(tags=(Tag("site", "depot"),)))
    every = [tagged.pk, other.pk, stranger.pk]
    assert in_maintenance(organization, every, T0 - HOUR) == {}
    covers = in_maintenance(organization, every, T0)
    assert [(pk, cover.window, cover.occurrence.end) for pk, cover in covers.items()] == [
        (tagged.pk, window, T0 + 2 * HOUR)
    ]
    assert in_maintenance(organization, every, T0 + 2 * HOUR) == {}


def test_a_device_that_gets_the_tag_is_covered_from_then_on(
    organization: Organization, fleet: Fleet, mia: User
) -> None:
    planned(organization, mia, scope=KeptFilters(tags=(Tag("site", "depot"),)))
    device = make_device(fleet)
    assert not in_maintenance(organization, [device.pk], T0)
    Device.objects.filter(pk=device.pk).update(tags={"site": "depot"})
    assert in_maintenance(organization, [device.pk], T0)


def test_of_a_fleet_that_is_deleted_it_covers_nothing(
    organization: Organization, fleet: Fleet, mia: User
) -> None:
    device, gone = make_device(fleet), make_fleet(organization)
    planned(organization, mia, scope=KeptFilters(fleets=(gone.slug,)))
    gone.delete()
    assert in_maintenance(organization, [device.pk], T0) == {}


def test_of_several_the_one_that_ends_last_covers(
    organization: Organization, fleet: Fleet, mia: User
) -> None:
    device = make_device(fleet)
    longer = planned(organization, mia, ends=NOON + 3 * HOUR)
    planned(organization, mia)
    assert in_maintenance(organization, [device.pk], T0)[device.pk].window == longer


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"ends": NOON}, "ends"),
        ({"ends": NOON + timedelta(days=30, seconds=1)}, "ends"),
        ({"zone": "Mars/Olympus"}, "zone"),
        ({"recurrence": "FREQ=NEVER"}, "recurrence"),
        ({"scope": KeptFilters(statuses=(Status.OFFLINE,))}, "scope"),
        ({"scope": KeptFilters(silent=3600)}, "scope"),
    ],
)
def test_what_cannot_be_is_refused_by_field(
    organization: Organization, mia: User, values: dict[str, object], field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        planned(organization, mia, **values)
    assert refused.value.field == field
    assert not MaintenanceWindow.objects.exists()


def test_windows_that_are_over_do_not_count_among_those_that_there_may_be(
    organization: Organization, mia: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "MOST", 1)
    planned(organization, mia)
    with pytest.raises(TooMany):
        planned(organization, mia)
    windows.plan(organization=organization, plan=a_plan(), actor=mia, at=T0 + 3 * HOUR)


def test_observers_plan_none(organization: Organization) -> None:
    with pytest.raises(PermissionDenied):
        planned(organization, make_member(organization, Role.OBSERVER))


def test_a_change_made_up_from_what_was_is_refused(organization: Organization, mia: User) -> None:
    window = planned(organization, mia)
    seen = version_of(window)
    windows.change(window=window, plan=a_plan(title="Painting"), seen=seen, actor=mia, at=T0)
    with pytest.raises(ChangedMeanwhile):
        windows.change(window=window, plan=a_plan(title="Moving"), seen=seen, actor=mia, at=T0)
    assert MaintenanceWindow.objects.get().title == "Painting"


def test_ended_early_it_covers_nothing_from_then_on(
    organization: Organization, fleet: Fleet, mia: User
) -> None:
    device, window = make_device(fleet), planned(organization, mia)
    windows.end(window=window, actor=mia, at=T0 + HOUR)
    assert in_maintenance(organization, [device.pk], T0 + HOUR - timedelta(seconds=1))
    assert not in_maintenance(organization, [device.pk], T0 + HOUR)


def test_the_audit_log_says_who_planned_changed_and_cancelled(organization: Organization, mia: User) -> None:
    window = planned(organization, mia)
    changed = windows.change(
        window=window, plan=a_plan(note="Ring first"), seen=version_of(window), actor=mia, at=T0
    )
    windows.cancel(window=changed, actor=mia, at=T0)
    windows.cancel(window=changed, actor=mia, at=T0 + HOUR)  # once
    entries = AuditEntry.objects.order_by("pk")
    assert [(entry.actor_name, entry.action) for entry in entries] == [
        ("mia", "window-planned"),
        ("mia", "window-changed"),
        ("mia", "window-cancelled"),
    ]


@pytest.mark.parametrize(
    ("for_all", "until", "note", "field"),
    [
        (True, T0 + timedelta(days=7, seconds=1), "Noisy", "until"),
        (True, T0 + HOUR, " ", "note"),
        (False, T0, "", "until"),
        (False, T0 + timedelta(days=366), "", "until"),
    ],
)
def test_a_mute_that_cannot_be(
    organization: Organization,
    fleet: Fleet,
    mia: User,
    *,
    for_all: bool,
    until: datetime,
    note: str,
    field: str,
) -> None:
    device = make_device(fleet)
    with pytest.raises(Invalid) as refused:
        mutes.mute(
            what=device, organization=organization, until=until, actor=mia, for_all=for_all, note=note, at=T0
        )
    assert refused.value.field == field


def test_an_observer_mutes_for_oneself_alone(organization: Organization, fleet: Fleet) -> None:
    observer, device = make_member(organization, Role.OBSERVER), make_device(fleet)

    def mute(*, for_all: bool) -> Mute:
        until = T0 + HOUR
        return mutes.mute(
            what=device,
            organization=organization,
            until=until,
            actor=observer,
            for_all=for_all,
            note="x",
            at=T0,
        )

    assert mute(for_all=False).person == observer
    with pytest.raises(PermissionDenied):
        mute(for_all=True)
    assert not AuditEntry.objects.exists()  # what is the person's own is nobody's business


def test_a_mute_for_all_is_ended_by_any_operator_and_audited(
    organization: Organization, fleet: Fleet, mia: User
) -> None:
    device = make_device(fleet)
    muted = mutes.mute(
        what=device, organization=organization, until=T0 + HOUR, actor=mia, for_all=True, note="Noisy", at=T0
    )
    mutes.end(mute=muted, actor=make_member(organization), at=T0 + HOUR / 2)
    muted.refresh_from_db()
    assert muted.until == T0 + HOUR / 2
    assert list(AuditEntry.objects.order_by("pk").values_list("action", flat=True)) == ["muted", "unmuted"]


def test_what_is_another_persons_own_is_not_ended(
    organization: Organization, fleet: Fleet, mia: User
) -> None:
    own = mutes.mute(
        what=make_device(fleet), organization=organization, until=T0 + HOUR, actor=mia, for_all=False, at=T0
    )
    with pytest.raises(PermissionDenied):
        mutes.end(mute=own, actor=make_member(organization, Role.OWNER), at=T0)


def test_which_occurrences_there_were_for_a_device(
    organization: Organization, fleet: Fleet, mia: User
) -> None:
    """As it is now, in order; without what was only planned, cancelled before, or over before."""
    device, other = make_device(fleet, tags={"site": "depot"}), make_device(fleet)
    daily = planned(organization, mia, title="Daily", recurrence="FREQ=DAILY")
    depot = KeptFilters(tags=(Tag("site", "depot"),))
    planned(organization, mia, title="Depot", starts=NOON + HOUR, ends=NOON + 3 * HOUR, scope=depot)
    windows.cancel(window=planned(organization, mia, title="Never"), actor=mia, at=T0 - HOUR)
    windows.end(window=daily, actor=mia, at=T0 + HOUR)

    def titles(of: Device, start: datetime, at: datetime) -> list[tuple[str, datetime]]:
        covers = windows.lasted(of, start, at)
        return [(cover.window.title, cover.occurrence.start) for cover in covers]

    first, second = ("Daily", T0), ("Daily", T0 + 24 * HOUR)
    assert titles(device, T0 - HOUR, T0 + 30 * HOUR) == [first, ("Depot", T0 + HOUR), second]
    assert titles(other, T0 - HOUR, T0 + 30 * HOUR) == [first, second]
    assert titles(device, T0 + HOUR, T0 + 24 * HOUR) == [("Depot", T0 + HOUR)]
    assert titles(device, T0 + 3 * HOUR, T0 + 23 * HOUR) == []
