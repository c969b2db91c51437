"""How fleets come and go (fleets/services/fleets.py)."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import PermissionDenied

from devices import keys
from devices.models import ApiKey, Device
from fleets.models import AuditEntry, Fleet, Role
from fleets.services import fleets
from tests.factories import T0, make_device, make_fleet, make_member, make_organization

pytestmark = pytest.mark.django_db


def test_a_fleet_is_made_with_its_settings_and_a_line_in_the_audit_log() -> None:
    organization = make_organization()
    admin = make_member(organization, Role.ADMINISTRATOR, "ada")
    said: dict[str, Any] = {
        "name": "Kiosks",
        "type": "paid",
        "device_type": "NUC",
        "poll_interval": 60,
        "vpn_enabled": False,
    }
    fleet = fleets.create(organization=organization, actor=admin, slug="kiosks", at=T0, **said)
    assert Fleet.objects.values(*said, "slug", "organization").get() == said | {
        "slug": "kiosks",
        "organization": organization.pk,
    }
    entry = AuditEntry.objects.get()
    assert (entry.at, entry.action, entry.actor_name, entry.organization_id) == (
        T0,
        "fleet-created",
        "ada",
        organization.pk,
    )
    assert (entry.subject_kind, entry.subject_id, entry.subject_name) == ("fleet", "kiosks", fleet.name)
    assert (entry.before, entry.after) == (None, said)


def test_a_slug_is_taken_on_the_whole_site() -> None:
    make_fleet(slug="kiosks")
    with pytest.raises(fleets.SlugTaken):
        fleets.create(organization=make_organization(), actor=None, name="Kiosks", slug="kiosks")
    assert Fleet.objects.count() == 1
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize("role", [Role.OBSERVER, Role.OPERATOR])
def test_only_administrators_make_and_delete_fleets(role: Role) -> None:
    fleet = make_fleet()
    member = make_member(fleet.organization, role)
    for stranger in (member, make_member(make_organization(), Role.OWNER)):
        with pytest.raises(PermissionDenied):
            fleets.create(organization=fleet.organization, actor=stranger, name="a", slug="a")
        with pytest.raises(PermissionDenied):
            fleets.delete(fleet=fleet, actor=stranger)
    assert list(Fleet.objects.all()) == [fleet]


def test_an_empty_fleet_goes_with_its_keys_and_its_former_devices_stay() -> None:
    fleet = make_fleet(slug="kiosks", name="Kiosks")
    keys.new_provisioning_key(fleet, "cards")
    moved = make_device(make_fleet(fleet.organization), provisioned_by=ApiKey.objects.get())
    fleets.delete(fleet=fleet, actor=None, at=T0)
    assert not Fleet.objects.filter(slug="kiosks").exists()
    assert not ApiKey.objects.exists()
    assert Device.objects.get().pk == moved.pk
    entry = AuditEntry.objects.get(action="fleet-deleted")
    assert (entry.at, entry.subject_id, entry.before) == (
        T0,
        "kiosks",
        {"name": "Kiosks", "keys": ["cards"]},
    )


def test_a_fleet_with_devices_stays() -> None:
    fleet = make_device().fleet
    make_device(fleet, is_active=False, activated_at=None)
    keys.new_provisioning_key(fleet, "cards")
    with pytest.raises(fleets.HasDevices) as refused:
        fleets.delete(fleet=fleet, actor=None)
    assert refused.value.devices == 2
    assert ApiKey.objects.filter(revoked_at=None).count() == 1
    assert not AuditEntry.objects.filter(action="fleet-deleted").exists()
