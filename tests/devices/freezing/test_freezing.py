"""Freezing (domain.md): which devices are locked, why, and who is freed first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from devices import connectivity, freezing
from devices.models import Device, StatusChange
from devices.operations import lifecycle, reports
from devices.operations.fleet_settings import change_fleet
from devices.rules.vocabulary import Status
from devices.status.counts import count_by_status
from fleets.models import AuditEntry, Fleet, FleetType, Organization, Plan, Role
from tests.factories import T0, make_fleet, make_member, make_organization, seconds

pytestmark = pytest.mark.django_db


def register(fleet: Fleet, number: int) -> Device:
    return lifecycle.register(fleet=fleet, uuid=f"{number:032x}", at=T0 + seconds(number))


def frozen(organization: Organization) -> dict[int, str]:
    """The reasons of the frozen devices, by the number they registered with."""
    found = Device.objects.filter(organization=organization).exclude(frozen_reason="")
    return {int(uuid, 16): reason for uuid, reason in found.values_list("uuid", "frozen_reason")}


def plan(organization: Organization, at: datetime, **changes: Any) -> int:
    organization.refresh_from_db()
    now = {name: getattr(organization, name) for name in ("plan", "allowance", "unpaid")}
    return freezing.change_plan(organization=organization, actor=None, at=at, **now | changes)


def test_those_after_the_first_by_activation_freeze() -> None:
    organization = make_organization(allowance=2)
    fleet = make_fleet(organization)
    for number in (1, 2, 3, 4):
        register(fleet, number)
    assert frozen(organization) == {3: "allowance", 4: "allowance"}


def test_a_freed_place_thaws_the_first_in_line() -> None:
    organization = make_organization(allowance=2)
    fleet = make_fleet(organization)
    devices = [register(fleet, number) for number in (1, 2, 3, 4)]
    lifecycle.delete(device=devices[0], actor=None, at=T0 + seconds(10))
    assert frozen(organization) == {4: "allowance"}
    lifecycle.deactivate(device=devices[1], actor=None, at=T0 + seconds(11))
    assert frozen(organization) == {}
    connectivity.record_heartbeats([devices[1].pk], T0 + seconds(12))
    assert frozen(organization) == {2: "allowance"}  # it comes back as the last in line


@pytest.mark.parametrize(
    ("allowance", "expected"),
    [
        (None, {}),
        (0, {1: "allowance", 2: "allowance", 3: "allowance"}),
        (1, {2: "allowance", 3: "allowance"}),
        (3, {}),
        (4, {}),
    ],
)
def test_a_new_allowance_freezes_and_thaws(allowance: int | None, expected: dict[int, str]) -> None:
    organization = make_organization(allowance=2)
    fleet = make_fleet(organization)
    for number in (1, 2, 3):
        register(fleet, number)
    plan(organization, T0 + seconds(9), allowance=allowance)
    assert frozen(organization) == expected


def test_the_first_reason_that_applies_counts() -> None:
    organization = make_organization(allowance=1)
    standard, paid = make_fleet(organization), make_fleet(organization, type=FleetType.PAID)
    register(paid, 1)
    register(standard, 2)
    register(standard, 3)
    assert frozen(organization) == {1: "fleet-type", 3: "allowance"}
    plan(organization, T0 + seconds(9), unpaid=True)
    assert frozen(organization) == {1: "unpaid", 2: "unpaid", 3: "unpaid"}
    plan(organization, T0 + seconds(10), unpaid=False, plan=Plan.PAID)
    assert frozen(organization) == {2: "allowance", 3: "allowance"}
    change_fleet(fleet=paid, actor=None, at=T0 + seconds(11), type=FleetType.STANDARD)
    assert frozen(organization) == {2: "allowance", 3: "allowance"}


def test_inactive_devices_freeze_with_their_fleet_and_take_no_place() -> None:
    organization = make_organization(allowance=1)
    standard, paid = make_fleet(organization), make_fleet(organization, type=FleetType.PAID)
    lifecycle.preregister(fleet=paid, actor=None, uuid=f"{1:032x}", at=T0)
    lifecycle.preregister(fleet=standard, actor=None, uuid=f"{2:032x}", at=T0)
    register(standard, 3)
    assert frozen(organization) == {1: "fleet-type"}
    assert not Device.objects.get(uuid=f"{1:032x}").is_active


def test_moving_out_of_a_paid_fleet_thaws() -> None:
    organization = make_organization()
    standard, paid = make_fleet(organization), make_fleet(organization, type=FleetType.PAID)
    device = register(paid, 1)
    assert device.frozen_reason == "fleet-type"
    lifecycle.move(device=device, fleet=standard, actor=None, at=T0 + seconds(5))
    assert frozen(organization) == {}


def test_freezing_stands_in_the_history_with_its_time_and_reason() -> None:
    organization = make_organization()
    register(make_fleet(organization), 1)
    assert plan(organization, T0 + seconds(9), unpaid=True) == 1
    assert plan(organization, T0 + seconds(10), unpaid=True) == 0
    plan(organization, T0 + seconds(11), unpaid=False)
    told = StatusChange.objects.order_by("id").values_list("after", "at", "reason")
    assert list(told)[1:] == [
        ("frozen", T0 + seconds(9), {"slug": "frozen", "reason": "unpaid"}),
        ("post-provisioning", T0 + seconds(11), {"slug": "thawed", "reason": "unpaid"}),
    ]
    lines = AuditEntry.objects.filter(action="plan-changed").order_by("id")
    assert list(lines.values_list("before__unpaid", "after__unpaid")) == [(False, True), (True, False)]


@pytest.mark.parametrize("role", [Role.OBSERVER, Role.OPERATOR, Role.ADMINISTRATOR])
def test_only_an_owner_changes_the_plan(role: Role) -> None:
    organization = make_organization()
    person = make_member(organization, role)
    change: dict[str, Any] = {"plan": Plan.PAID, "allowance": 1, "unpaid": False}
    with pytest.raises(PermissionDenied):
        freezing.change_plan(organization=organization, actor=person, **change)
    owner = make_member(organization, Role.OWNER)
    freezing.change_plan(organization=organization, actor=owner, **change)
    organization.refresh_from_db()
    assert (organization.plan, organization.allowance) == (Plan.PAID, 1)


# Any sequence, against the rule written again.


@dataclass
class Known:
    """A device as the rule sees it; `place` orders the active ones."""

    fleet: int
    active: bool = True
    place: tuple[int, int] = (0, 0)


def expected(known: dict[int, Known], facts: dict[str, Any], paid: list[bool]) -> dict[int, str]:
    reasons: dict[int, str] = {}
    line: list[int] = []
    for number, device in known.items():
        if facts["unpaid"]:
            reasons[number] = "unpaid"
        elif facts["plan"] == "free" and paid[device.fleet]:
            reasons[number] = "fleet-type"
        elif device.active:
            line.append(number)
    line.sort(key=lambda number: known[number].place)
    if facts["allowance"] is not None:
        reasons |= dict.fromkeys(line[facts["allowance"] :], "allowance")
    return reasons


CONTACTS = ["poll", "report", "connect"]
LIFECYCLE = ["register", "register", "register", "preregister", "deactivate", "delete", "move"]
PAYING = ["allowance", "allowance", "unpaid", "plan", "type"]

actions = st.tuples(
    st.sampled_from([*LIFECYCLE, *CONTACTS, *PAYING]),
    st.integers(0, 7),
    st.integers(0, 1),
)


class AnySequence(TestCase):
    @given(st.lists(actions, max_size=25))
    def test_leaves_frozen_exactly_whom_the_rule_names(self, sequence: list[tuple[str, int, int]]) -> None:
        organization = make_organization(allowance=2)
        fleets = [make_fleet(organization), make_fleet(organization)]
        known: dict[int, Known] = {}
        ids: dict[int, int] = {}
        facts: dict[str, Any] = {"plan": "free", "allowance": 2, "unpaid": False}
        paid = [False, False]
        for step, (action, which, fleet) in enumerate(sequence, 1):
            at = T0 + seconds(step * 100_000)  # every link is down again
            numbers = sorted(known)
            number = numbers[which % len(numbers)] if numbers else 0
            match action:
                case "register" | "preregister":
                    number = step
                    make: dict[str, Any] = {"fleet": fleets[fleet], "uuid": f"{number:032x}", "at": at}
                    if action == "register":
                        device = lifecycle.register(**make)
                    else:
                        device, _ = lifecycle.preregister(actor=None, **make)
                    ids[number] = device.pk
                    known[number] = Known(fleet, action == "register", (step, device.pk))
                case "allowance":
                    facts["allowance"] = None if which > 5 else which
                    plan(organization, at, allowance=facts["allowance"])
                case "unpaid":
                    facts["unpaid"] = not facts["unpaid"]
                    plan(organization, at, unpaid=facts["unpaid"])
                case "plan":
                    facts["plan"] = "paid" if facts["plan"] == "free" else "free"
                    plan(organization, at, plan=facts["plan"])
                case "type":
                    paid[fleet] = not paid[fleet]
                    change_fleet(
                        fleet=fleets[fleet], actor=None, at=at, type="paid" if paid[fleet] else "standard"
                    )
                case _ if known:
                    self.of_device(action, ids[number], known, number, fleets, fleet, step, at)
            self.check(organization, known, facts, paid, at)

    def of_device(
        self,
        action: str,
        pk: int,
        known: dict[int, Known],
        number: int,
        fleets: list[Fleet],
        fleet: int,
        step: int,
        at: datetime,
    ) -> None:
        device = Device.objects.get(pk=pk)
        match action:
            case "delete":
                lifecycle.delete(device=device, actor=None, at=at)
                del known[number]
            case "move":
                lifecycle.move(device=device, fleet=fleets[fleet], actor=None, at=at)
                known[number].fleet = fleet
            case "deactivate":
                if device.vpn_connected:
                    connectivity.vpn_disconnected("vpn", [device.uuid], at)
                lifecycle.deactivate(device=device, actor=None, at=at)
                known[number].active = False
            case "poll" | "report" | "connect":
                if action == "poll":
                    connectivity.record_heartbeats([pk], at)
                elif action == "report":
                    reports.apply_reports([(pk, {"release": "1"})], at)
                else:
                    connectivity.vpn_connected("vpn", [device.uuid], at)
                if not known[number].active:
                    known[number].active, known[number].place = True, (step, pk)

    def check(
        self,
        organization: Organization,
        known: dict[int, Known],
        facts: dict[str, Any],
        paid: list[bool],
        at: datetime,
    ) -> None:
        reasons = expected(known, facts, paid)
        assert frozen(organization) == reasons
        devices = Device.objects.filter(organization=organization)
        assert count_by_status(devices, at)[Status.FROZEN] == len(reasons)
        working = devices.filter(is_active=True, frozen_reason="").count()
        assert facts["allowance"] is None or working <= facts["allowance"]
