"""What another plan would do, told before: it comes true, whatever the plan and the devices."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from devices import freezing
from devices.freezing.forecast import Forecast, forecast
from devices.models import Device
from devices.operations import lifecycle
from fleets.models import FleetType, Organization, Plan
from tests.factories import T0, make_fleet, make_organization, seconds

plans = st.fixed_dictionaries(
    {
        "plan": st.sampled_from(list(Plan)),
        "allowance": st.none() | st.integers(0, 5),
        "unpaid": st.booleans(),
    }
)
devices = st.lists(st.tuples(st.booleans(), st.booleans()), max_size=6)


def reasons(organization: Organization) -> dict[str, str]:
    return dict(Device.objects.filter(organization=organization).values_list("uuid", "frozen_reason"))


class AnyPlan(TestCase):
    @given(plans, plans, devices)
    def test_comes_true(self, now: Any, then: Any, made: list[tuple[bool, bool]]) -> None:
        organization = make_organization()
        fleets = [make_fleet(organization), make_fleet(organization, type=FleetType.PAID)]
        for number, (active, paid) in enumerate(made):
            fleet, at = fleets[paid], T0 + seconds(number)
            if active:
                lifecycle.register(fleet=fleet, at=at)
            else:
                lifecycle.preregister(fleet=fleet, actor=None, at=at)
        freezing.change_plan(organization=organization, actor=None, **now)
        organization.refresh_from_db()
        said, before = forecast(organization, **then), reasons(organization)
        changed = freezing.change_plan(organization=organization, actor=None, **then)
        after = reasons(organization)
        froze = {uuid for uuid in after if after[uuid] and not before[uuid]}
        thawed = {uuid for uuid in after if before[uuid] and not after[uuid]}
        assert (said.freezes, said.thaws, said.affected) == (len(froze), len(thawed), changed)
        assert {named.uuid for named in said.freezing} == froze
        assert {named.uuid for named in said.thawing} == thawed

    def test_says_nothing_of_an_organization_without_devices(self) -> None:
        said = forecast(make_organization(), plan=Plan.FREE, allowance=0, unpaid=True)
        assert said == Forecast(freezes=0, thaws=0, other=0)
