"""Taking a device out of service."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from devices import clock, connectivity
from devices.models import Device, StatusChange
from devices.operations import lifecycle
from fleets.models import AuditEntry, Fleet, FleetType, Organization
from tests.at_once import WAIT, held_open, in_background
from tests.factories import make_device, make_fleet, make_member, make_organization
from tests.pages import text_of

pytestmark = pytest.mark.django_db

# session, person, organizations, clock, device; sizes of fleets do not matter
QUERIES = 5


def address(device: Device) -> str:
    return f"/devices/{device.uuid}/deactivate/"


def test_an_offline_device_is_deactivated(reader: Client, fleet: Fleet) -> None:
    device = make_device(fleet, name="kiosk-1")
    page = text_of(reader.get(address(device)))
    assert "It becomes Inactive , and Lookout no longer reports it as missing." in page
    assert "Its history, keys, tags and notes stay." in page
    assert "activates it again" in page
    answer = reader.post(address(device), follow=True)
    assert answer.redirect_chain == [(f"/devices/{device.uuid}/", 302)]
    assert "kiosk-1 is deactivated." in text_of(answer)
    assert 'badge-st-lg" data-st="inactive"' in answer.content.decode()


def test_who_did_it_stands_in_history_and_audit_log(reader: Client, fleet: Fleet) -> None:
    device = make_device(fleet)
    reader.post(address(device))
    person = AuditEntry.objects.get(action="device-deactivated", subject_id=device.uuid).actor_name
    reason = StatusChange.objects.filter(device=device).latest("id").reason
    assert reason == {"slug": "deactivated", "by": person}


def test_what_becomes_of_its_place_is_said_where_there_are_places(reader: Client, fleet: Fleet) -> None:
    words = "Its place in the allowance"
    device = make_device(fleet)
    assert words not in text_of(reader.get(address(device)))
    Organization.objects.filter(pk=fleet.organization_id).update(allowance=1)
    assert words in text_of(reader.get(address(device)))


def test_a_place_it_leaves_thaws_the_next(reader: Client, fleet: Fleet) -> None:
    Organization.objects.filter(pk=fleet.organization_id).update(allowance=1)
    first, second = (lifecycle.register(fleet=fleet) for _ in range(2))
    assert second.frozen_reason == "allowance"
    reader.post(address(first))
    second.refresh_from_db()
    assert second.frozen_reason == ""


def test_frozen_for_another_reason_it_stays_frozen_and_the_page_says_so(
    reader: Client, organization: Organization
) -> None:
    paid = make_fleet(organization, type=FleetType.PAID)
    device = lifecycle.register(fleet=paid)
    words = "It stays Frozen for another reason: a paid fleet type in a free organization."
    assert words in text_of(reader.get(address(device)))
    answer = reader.post(address(device), follow=True)
    assert 'badge-st-lg" data-st="frozen"' in answer.content.decode()
    device.refresh_from_db()
    assert not device.is_active


@pytest.mark.parametrize(
    "link",
    ["The VPN is connected.", "The API heartbeat is on time.", "The API heartbeat is late, but not lost."],
)
def test_while_a_link_is_up_the_page_says_which_and_has_no_button(
    reader: Client, fleet: Fleet, link: str
) -> None:
    device, at = make_device(fleet), clock.now()
    if "VPN" in link:
        connectivity.vpn_connected("vpn-1", [device.uuid], at)
    else:
        polled = at - timedelta(seconds=1355 if "late" in link else 60)  # late from 22.5 min, for 15 s
        connectivity.record_heartbeats([device.pk], polled)
    page = reader.get(address(device))
    assert f"It cannot be deactivated while a link is up. {link}" in text_of(page)
    assert ("Without another poll its heartbeat is lost at" in text_of(page)) == ("heartbeat" in link)
    assert 'aria-disabled="true">Not while a link is up</button>' in page.content.decode()
    assert "Deactivate " not in text_of(page).split("It cannot be")[1]


def test_a_poll_after_the_page_was_read_refuses_it(reader: Client, fleet: Fleet) -> None:
    device = make_device(fleet)
    reader.get(address(device))
    connectivity.record_heartbeats([device.pk])
    answer = reader.post(address(device))
    assert answer.status_code == 409
    assert "Nothing was changed. The API heartbeat is on time." in text_of(answer)
    device.refresh_from_db()
    assert device.is_active


def test_one_that_is_inactive_already_has_nothing_to_do(reader: Client, fleet: Fleet) -> None:
    waiting, _ = lifecycle.preregister(fleet=fleet, actor=None)
    device = make_device(fleet, name="kiosk-1")
    reader.get(address(device))
    lifecycle.deactivate(device=device, actor=None)
    words = text_of(reader.post(address(device), follow=True))
    assert "kiosk-1 was already inactive. Nothing was changed." in words
    assert AuditEntry.objects.filter(action="device-deactivated").count() == 1
    assert "It was deactivated 0 s ago" in text_of(reader.get(address(device)))
    assert "It was preregistered and has never connected" in text_of(reader.get(address(waiting)))
    assert b"<button" not in reader.get(address(device)).content.split(b"ask-page")[1].split(b"</main>")[0]


def test_query_count(reader: Client, fleet: Fleet, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    device = make_device(fleet)
    for more in (0, 29):
        for _ in range(more):
            make_device(fleet)
        with django_assert_num_queries(QUERIES):
            reader.get(address(device))


@pytest.mark.django_db(transaction=True)
def test_deleted_between_the_look_and_the_lock() -> None:
    device = make_device(make_fleet(make_organization(), slug="kiosks"), name="kiosk-1")
    client = Client()
    client.force_login(make_member(device.organization))
    answers = []
    with held_open(lambda: lifecycle.delete(device=device, actor=None)):
        waiting = in_background(lambda: answers.append(client.post(address(device))))
    waiting.join(WAIT)
    (answer,) = answers
    assert answer.status_code == 404
    assert "kiosk-1 was deleted meanwhile. Nothing else was changed." in text_of(answer)
