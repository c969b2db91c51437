"""What a fleet says about its devices, and how a change reaches them
(devices/operations/fleet_settings.py).
"""

from __future__ import annotations

import pytest
from django.core.exceptions import PermissionDenied

from devices.models import Device
from devices.operations.fleet_settings import change_fleet
from fleets.meanwhile import ChangedMeanwhile
from fleets.models import AuditEntry, Fleet, Role
from fleets.services.fleets import settings_of, version
from tests.factories import T0, make_device, make_fleet, make_member, seconds

pytestmark = pytest.mark.django_db


def test_only_what_differs_is_changed_and_audited() -> None:
    fleet = make_fleet(name="old", poll_interval=60)
    admin = make_member(fleet.organization, Role.ADMINISTRATOR, "ada")
    change_fleet(fleet=fleet, actor=admin, at=T0, name="new", poll_interval=60)
    assert settings_of(fleet)["name"] == "new"
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.actor_name, entry.subject_id) == ("fleet-changed", "ada", fleet.slug)
    assert (entry.before, entry.after) == ({"name": "old"}, {"name": "new"})
    change_fleet(fleet=fleet, actor=admin, at=T0, name="new")
    assert AuditEntry.objects.count() == 1


def test_a_paid_type_freezes_the_devices_of_a_free_organization_and_back() -> None:
    device = make_device()
    for number, (type_, reason) in enumerate((("paid", "fleet-type"), ("standard", ""))):
        change_fleet(fleet=device.fleet, actor=None, at=T0 + seconds(number + 1), type=type_)
        assert Device.objects.get().frozen_reason == reason


def test_a_change_made_up_from_older_settings_is_refused_with_what_stands() -> None:
    fleet = make_fleet(name="old")
    seen = version(settings_of(fleet))
    change_fleet(fleet=fleet, actor=None, at=T0, seen=seen, poll_interval=60)
    with pytest.raises(ChangedMeanwhile) as refused:
        change_fleet(fleet=fleet, actor=None, at=T0, seen=seen, name="mine")
    assert refused.value.now == settings_of(fleet)
    assert (refused.value.now["name"], refused.value.now["poll_interval"]) == ("old", 60)
    change_fleet(fleet=fleet, actor=None, at=T0, seen=version(refused.value.now), name="mine")
    assert settings_of(fleet)["name"] == "mine"


@pytest.mark.parametrize("role", [Role.OBSERVER, Role.OPERATOR])
def test_only_administrators_change_fleets(role: Role) -> None:
    fleet = make_fleet(name="old")
    with pytest.raises(PermissionDenied):
        change_fleet(fleet=fleet, actor=make_member(fleet.organization, role), name="new")
    assert Fleet.objects.get().name == "old"
