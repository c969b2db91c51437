"""Deleting a device after its name was typed."""

from __future__ import annotations

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from devices import clock, connectivity, keys
from devices.models import ApiKey, Device, FormerKey, StatusChange
from devices.operations import lifecycle
from fleets.models import AuditEntry, Fleet, Organization, Role
from tests.at_once import WAIT, held_open, in_background
from tests.factories import make_device, make_fleet, make_member, make_organization
from tests.pages import text_of

pytestmark = pytest.mark.django_db

# session, person, organizations, clock, device
QUERIES = 5


@pytest.fixture
def admin(client: Client, organization: Organization) -> Client:
    client.force_login(make_member(organization, Role.ADMINISTRATOR))
    return client


def address(device: Device) -> str:
    return f"/devices/{device.uuid}/delete/"


def test_the_page_says_what_goes_and_what_stays(admin: Client, fleet: Fleet) -> None:
    words = text_of(admin.get(address(make_device(fleet, name="kiosk-1"))))
    assert "Deleted at once: the device, its facts, tags, notes and keys." in words
    assert "This cannot be undone." in words
    assert "Kept: its history" in words
    assert "for 90 days the hashes of its keys" in words
    assert "It is connected at the moment" not in words


def test_one_in_contact_is_named_as_such(admin: Client, fleet: Fleet) -> None:
    device = make_device(fleet)
    connectivity.record_heartbeats([device.pk], clock.now())
    words = text_of(admin.get(address(device)))
    assert "It is connected at the moment. To take it out of service for a while, switch it off" in words


@pytest.mark.parametrize("typed", ["kiosk-1", "{short}", "{uuid}"])
def test_it_is_deleted_with_its_keys(admin: Client, fleet: Fleet, typed: str) -> None:
    device = make_device(fleet, name="kiosk-1")
    keys.new_device_key(device)
    said = typed.format(short=device.short_uuid, uuid=device.uuid)
    answer = admin.post(address(device), {"confirm": said}, follow=True)
    assert answer.redirect_chain == [("/fleets/kiosks/", 302)]
    assert "kiosk-1 is deleted." in text_of(answer)
    assert not Device.objects.exists()
    assert not ApiKey.objects.exists()
    assert FormerKey.objects.count() == 1
    assert StatusChange.objects.latest("id").after is None
    assert AuditEntry.objects.get(action="device-deleted").subject_name == "kiosk-1"
    assert admin.get(address(device)).status_code == 404


@pytest.mark.parametrize("typed", ["", "kiosk", "KIOSK-1", "kiosk-2"])
def test_anything_else_deletes_nothing(admin: Client, fleet: Fleet, typed: str) -> None:
    device = make_device(fleet, name="kiosk-1")
    answer = admin.post(address(device), {"confirm": typed})
    assert answer.status_code == 200
    assert "Type kiosk-1 to delete it. Nothing was deleted." in text_of(answer)
    assert Device.objects.filter(pk=device.pk).exists()


def test_one_without_a_name_is_confirmed_by_its_uuid(admin: Client, fleet: Fleet) -> None:
    device = make_device(fleet, name="")
    assert f"Type {device.short_uuid} to delete it" in text_of(admin.get(address(device)))
    admin.post(address(device), {"confirm": device.short_uuid})
    assert not Device.objects.exists()


def test_its_place_goes_to_the_next(admin: Client, fleet: Fleet) -> None:
    Organization.objects.filter(pk=fleet.organization_id).update(allowance=1)
    first, second = (lifecycle.register(fleet=fleet) for _ in range(2))
    admin.post(address(first), {"confirm": first.uuid})
    second.refresh_from_db()
    assert second.frozen_reason == ""


def test_query_count(admin: Client, fleet: Fleet, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    device = make_device(fleet)
    for more in (0, 29):
        for _ in range(more):
            make_device(fleet)
        with django_assert_num_queries(QUERIES):
            admin.get(address(device))


@pytest.mark.django_db(transaction=True)
def test_deleted_by_somebody_else_between_the_look_and_the_lock() -> None:
    device = make_device(make_fleet(make_organization()), name="kiosk-1")
    client = Client()
    client.force_login(make_member(device.organization, Role.ADMINISTRATOR))
    answers = []
    with held_open(lambda: lifecycle.delete(device=device, actor=None)):
        waiting = in_background(lambda: answers.append(client.post(address(device), {"confirm": "kiosk-1"})))
    waiting.join(WAIT)
    (answer,) = answers
    assert answer.status_code == 404
    assert "kiosk-1 was deleted meanwhile" in text_of(answer)
    assert AuditEntry.objects.filter(action="device-deleted").count() == 1
