"""The admin opens, shows the live status, and leaves facts and history to the services."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.db import IntegrityError
from django.test import Client
from django.urls import reverse

from dashboard.models import User
from devices import connectivity, keys
from devices.models import Device, FormerKey
from tests.factories import T0, make_device, make_member, make_organization

pytestmark = pytest.mark.django_db


@pytest.fixture
def superuser(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("root"))
    return client


MODELS = [f"{model._meta.app_label}_{model._meta.model_name}" for model in admin.site._registry]


@pytest.mark.parametrize("model", MODELS)
def test_every_list_opens(model: str, superuser: Client) -> None:
    device = make_device()
    connectivity.vpn_connected("vpn-1", [device.uuid], T0)
    keys.new_device_key(device)
    make_member(device.organization)
    assert superuser.get(reverse(f"admin:{model}_changelist")).status_code == 200


def test_a_device_shows_its_facts_read_only_and_its_settings_change(superuser: Client) -> None:
    device = make_device()
    address = reverse("admin:devices_device_change", args=[device.pk])
    assert b"recorded status" in superuser.get(address).content.lower()
    superuser.post(address, {"name": "renamed", "tags": "{}", "frozen_reason": "unpaid"})
    device.refresh_from_db()
    assert (device.name, device.frozen_reason) == ("renamed", "")


def test_a_device_is_deleted_as_everywhere(superuser: Client) -> None:
    device = make_device()
    keys.new_device_key(device)
    superuser.post(reverse("admin:devices_device_delete", args=[device.pk]), {"post": "yes"})
    assert not Device.objects.exists()
    assert FormerKey.objects.count() == 1


def test_an_email_is_one_persons_whatever_its_case() -> None:
    make_member(make_organization(), email="Ida@Example.org")
    for nobody in ("", ""):
        make_member(make_organization(), email=nobody)
    with pytest.raises(IntegrityError):
        User.objects.create_user("other", email="ida@example.ORG")


def test_organizations_and_members_are_changed_by_their_pages_alone(superuser: Client) -> None:
    organization = make_organization("Halden")
    member = make_member(organization)
    address = reverse("admin:fleets_organization_change", args=[organization.pk])
    assert str(member) in superuser.get(address).content.decode()
    membership = member.memberships.get()
    form = {
        "name": "renamed",
        "memberships-TOTAL_FORMS": "1",
        "memberships-INITIAL_FORMS": "1",
        "memberships-0-id": str(membership.pk),
        "memberships-0-role": "owner",
    }
    assert superuser.post(address, form).status_code == 403
    for name, row in (("delete", [organization.pk]), ("add", [])):
        assert superuser.get(reverse(f"admin:fleets_organization_{name}", args=row)).status_code == 403
