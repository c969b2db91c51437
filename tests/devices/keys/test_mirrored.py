"""What is refused to people for fleets and devices that are read from a source: services refuse, bulk too."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dashboard.models import User
from devices import keys
from devices.clock import moment
from devices.keys import rotation
from devices.keys.mirrored import IN_CHARGE, Mirrored
from devices.models import Device, MirroredDevice, MirroredFleet, Source
from devices.operations import bulk_actions, editing, lifecycle
from devices.operations.batch import CHANGED, Batch
from devices.operations.fleet_settings import change_fleet
from fleets.models import Role
from tests.factories import T0, make_device, make_fleet, make_member

pytestmark = pytest.mark.django_db


@pytest.fixture
def mirrored() -> Device:
    device = make_device()
    source = Source.objects.create(
        organization=device.organization, name="balena", address="https://api.example", created_at=T0
    )
    MirroredFleet.objects.create(fleet=device.fleet, source=source, remote_id=1, slug="acme/pumps")
    MirroredDevice.objects.create(device=device, source=source, remote_id=7)
    return device


Act = Callable[[Device, User], object]
REFUSED: dict[str, Act] = {
    "deactivate": lambda device, by: lifecycle.deactivate(device=device, actor=by),
    "move": lambda device, by: lifecycle.move(device=device, fleet=make_fleet(device.organization), actor=by),
    "delete": lambda device, by: lifecycle.delete(device=device, actor=by),
    "rename": lambda device, by: editing.edit(device=device, actor=by, field="name", value="other"),
    "interval": lambda device, by: editing.edit(device=device, actor=by, field="poll_interval", value=60),
    "rotate": lambda device, by: rotation.rotate(device=device, actor=by),
    "key": lambda device, by: keys.new_device_key(device, actor=by),
    "preregister": lambda device, by: lifecycle.preregister(fleet=device.fleet, actor=by),
    "provisioning key": lambda device, by: keys.new_provisioning_key(device.fleet, actor=by),
    "fleet": lambda device, by: change_fleet(fleet=device.fleet, actor=by, name="other"),
    "move there": lambda device, by: lifecycle.move(
        device=make_device(make_fleet(device.organization)), fleet=device.fleet, actor=by
    ),
}


@pytest.mark.parametrize("act", REFUSED.values(), ids=list(REFUSED))
def test_what_its_source_is_in_charge_of_is_refused(mirrored: Device, act: Act) -> None:
    owner = make_member(mirrored.organization, Role.OWNER)
    with pytest.raises(Mirrored, match="stays in charge of it"):
        act(mirrored, owner)


def test_its_notes_and_tags_are_of_this_site(mirrored: Device) -> None:
    operator = make_member(mirrored.organization, Role.OPERATOR)
    assert editing.edit(device=mirrored, actor=operator, field="notes", value="Ask Eva")
    assert editing.retag(device=mirrored, actor=operator, put={"site": "north"})


@pytest.mark.parametrize("name", ["move", "poll-interval", "deactivate", "delete"])
def test_actions_on_many_leave_it_alone(mirrored: Device, name: str) -> None:
    own = make_device(make_fleet(mirrored.organization))
    elsewhere = make_fleet(mirrored.organization)
    action = bulk_actions.ACTIONS[name]
    payload = {"fleet": elsewhere, "poll_interval": 60}
    batch = Batch([mirrored.pk, own.pk], mirrored.organization, None, moment(T0))
    assert action.do(batch, payload) == {mirrored.pk: IN_CHARGE, own.pk: CHANGED}
    reason, condition = action.skips(payload)[0]
    assert reason == IN_CHARGE
    assert list(Device.objects.filter(condition)) == [mirrored]
