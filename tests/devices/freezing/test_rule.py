"""The rule, asked before it is done: why a device would be frozen in another fleet."""

from __future__ import annotations

import pytest

from devices.freezing import reason_in
from devices.models import Device
from devices.operations import lifecycle
from fleets.models import FleetType, Plan
from tests.factories import T0, make_fleet, make_organization, seconds

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("moved", [0, 1, 2, 3])
@pytest.mark.parametrize("to", list(FleetType))
@pytest.mark.parametrize("plan", list(Plan))
@pytest.mark.parametrize(
    ("allowance", "unpaid"), [(None, False), (0, False), (1, False), (2, False), (3, False), (1, True)]
)
def test_what_is_said_before_a_move_is_what_the_move_does(
    plan: Plan, to: FleetType, moved: int, *, allowance: int | None, unpaid: bool
) -> None:
    organization = make_organization(plan=plan, allowance=allowance, unpaid=unpaid)
    fleets = [make_fleet(organization, type=each) for each in (FleetType.PAID, FleetType.STANDARD)]
    devices = [
        lifecycle.register(fleet=fleets[number % 2], at=T0 + seconds(number)) for number in range(3)
    ] + [lifecycle.preregister(fleet=fleets[1], actor=None, at=T0)[0]]
    other = make_fleet(organization, type=to)
    device = Device.objects.select_related("organization").get(pk=devices[moved].pk)
    said = reason_in(device, other)
    lifecycle.move(device=device, fleet=other, actor=None, at=T0 + seconds(10))
    device.refresh_from_db()
    assert said == device.frozen_reason
