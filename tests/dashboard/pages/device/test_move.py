"""Moving a device to another fleet of its organization: choose, see what changes, move."""

from __future__ import annotations

from html import unescape
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from devices.models import Device, StatusChange
from devices.operations import lifecycle
from fleets.models import AuditEntry, Fleet, FleetType, Organization, Plan
from fleets.services import fleets
from tests.at_once import WAIT, held_open, in_background
from tests.factories import make_device, make_fleet, make_member, make_organization
from tests.pages import text_of

pytestmark = pytest.mark.django_db

# session, person, organizations, clock, device; its organization's other fleets
CHOICE = 6
CONSEQUENCES = 9  # and the organization, its paid fleets, and the place in line


@pytest.fixture
def organization(organization: Organization) -> Organization:
    """One that has a plan, so that it is told whom a move would freeze."""
    organization.shows_plan = True
    organization.save()
    return organization


@pytest.fixture
def device(fleet: Fleet) -> Device:
    return make_device(fleet, name="kiosk-1")


def address(device: Device, to: str = "") -> str:
    return f"/devices/{device.uuid}/move/" + (f"?to={to}" if to else "")


def move(client: Client, device: Device, to: Fleet, **more: Any) -> Any:
    return client.post(address(device), {"from": "kiosks", "to": to.slug}, **more)


def changes(client: Client, device: Device, to: Fleet) -> list[str]:
    """What the page says would change, one line each."""
    html = client.get(address(device, to.slug)).content.decode()
    body = html.split('<table class="changes">')[1].split("<tbody>")[1].split("</tbody>")[0]
    return [unescape(text_of(HttpResponse(row))) for row in body.split("</tr>") if row.strip()]


def test_only_other_fleets_of_its_organization_are_offered(reader: Client, device: Device) -> None:
    make_fleet(device.organization, name="buoys", slug="buoys")
    make_fleet(make_organization(), name="theirs", slug="theirs")
    html = reader.get(address(device)).content.decode()
    assert html.count("<option") == 1
    assert '<option value="buoys">buoys</option>' in html
    assert "It is in kiosks now. It can move within" in text_of(reader.get(address(device)))


def test_without_another_fleet_the_page_says_so(reader: Client, device: Device) -> None:
    words = text_of(reader.get(address(device)))
    assert f"{device.organization} has no other fleet" in words
    assert "A device can only move within its organization." in words


def test_it_moves_and_keeps_its_history(reader: Client, device: Device) -> None:
    buoys = make_fleet(device.organization, name="buoys", slug="buoys")
    told = StatusChange.objects.filter(device=device).count()
    answer = move(reader, device, buoys, follow=True)
    assert answer.redirect_chain == [(f"/devices/{device.uuid}/", 302)]
    assert "kiosk-1 is now in buoys." in text_of(answer)
    device.refresh_from_db()
    assert device.fleet == buoys
    assert StatusChange.objects.filter(device=device).count() == told + 1
    entry = AuditEntry.objects.get(action="device-moved")
    assert (entry.before, entry.after) == ({"fleet": "kiosks"}, {"fleet": "buoys"})


def test_a_plain_move_says_what_stays(reader: Client, device: Device) -> None:
    buoys = make_fleet(device.organization, name="buoys", slug="buoys")
    assert changes(reader, device, buoys) == [
        "Poll interval 15 min stays",
        "VPN Used stays",
        "Locked No stays",
    ]


def test_what_changes_is_said_before(reader: Client, device: Device) -> None:
    paid = make_fleet(
        device.organization, slug="paid", type=FleetType.PAID, poll_interval=60, vpn_enabled=False
    )
    assert changes(reader, device, paid) == [
        "Poll interval 15 min becomes 1 min Applies from its next poll.",
        "VPN Used becomes Not used A recent heartbeat alone makes it Online.",
        (
            "Locked No becomes Frozen: a paid fleet type in a free organization"
            " Polls are still recorded. Releases, settings and reports are refused."
        ),
    ]


def test_a_vpn_that_is_not_used_yet_is_told_apart(reader: Client, device: Device) -> None:
    new = make_fleet(device.organization, vpn_enabled=None)
    assert "VPN Used becomes Not used yet A recent heartbeat alone makes it Online." in changes(
        reader, device, new
    )
    off = make_fleet(device.organization, vpn_enabled=False)
    assert "VPN Not used yet becomes Not used" in changes(reader, make_device(new), off)


def test_what_is_set_at_the_device_stays(reader: Client, fleet: Fleet) -> None:
    device = make_device(fleet, poll_interval=30, vpn_setting=True)
    to = make_fleet(device.organization, poll_interval=60, vpn_enabled=False)
    assert changes(reader, device, to) == [
        "Poll interval 30 s stays Set for this device.",
        "VPN Used stays Set for this device.",
        "Locked No stays",
    ]


@pytest.mark.parametrize(
    ("plan", "allowance", "unpaid"),
    [
        (Plan.FREE, None, False),
        (Plan.FREE, 1, False),
        (Plan.FREE, 2, False),
        (Plan.PAID, 0, False),
        (Plan.PAID, 1, False),
        (Plan.PAID, 2, False),
        (Plan.FREE, 1, True),
    ],
)
@pytest.mark.parametrize("there", FleetType)
@pytest.mark.parametrize("here", FleetType)
def test_what_is_said_of_freezing_comes_true(
    reader: Client,
    organization: Organization,
    plan: Plan,
    allowance: int | None,
    *,
    unpaid: bool,
    here: FleetType,
    there: FleetType,
) -> None:
    Organization.objects.filter(pk=organization.pk).update(allowance=allowance, unpaid=unpaid, plan=plan)
    fleet = make_fleet(organization, slug="kiosks", type=here)
    to = make_fleet(organization, slug="there", type=there)
    lifecycle.register(fleet=to)
    device = lifecycle.register(fleet=fleet)
    lifecycle.register(fleet=to)
    said = changes(reader, device, to)[2]
    move(reader, device, to)
    device.refresh_from_db()
    after = f"Frozen: {device.get_frozen_reason_display()}" if device.frozen_reason else "No"
    assert after in said.removeprefix("Locked").split("becomes")[-1]


def test_one_that_was_moved_meanwhile_is_not_moved_again(reader: Client, device: Device) -> None:
    buoys, depot = (make_fleet(device.organization, name=name, slug=name) for name in ("buoys", "depot"))
    lifecycle.move(device=device, fleet=depot, actor=None)
    answer = move(reader, device, buoys)
    assert answer.status_code == 409
    words = text_of(answer)
    assert "Nothing was changed. It was moved to depot meanwhile." in words
    assert "From depot to buoys ." in words
    device.refresh_from_db()
    assert device.fleet == depot


def test_moved_there_meanwhile_by_somebody_else(reader: Client, device: Device) -> None:
    buoys = make_fleet(device.organization, name="buoys", slug="buoys")
    lifecycle.move(device=device, fleet=buoys, actor=None)
    assert "kiosk-1 was already in buoys. Nothing was changed." in text_of(
        move(reader, device, buoys, follow=True)
    )
    assert AuditEntry.objects.filter(action="device-moved").count() == 1


def test_a_fleet_that_is_gone_or_not_mine_takes_no_device(reader: Client, device: Device) -> None:
    gone = make_fleet(device.organization)
    fleets.delete(fleet=gone, actor=None)
    for to in (gone, make_fleet(make_organization(), slug="theirs")):
        answer = move(reader, device, to)
        assert answer.status_code == 409
        assert "The fleet you chose no longer exists." in text_of(answer)
    device.refresh_from_db()
    assert device.fleet.slug == "kiosks"


def test_query_counts(
    reader: Client, device: Device, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    Organization.objects.filter(pk=device.organization_id).update(allowance=1)
    to = make_fleet(device.organization)
    for more in (0, 29):
        for _ in range(more):
            make_device(make_fleet(device.organization))
        with django_assert_num_queries(CHOICE):
            reader.get(address(device))
        with django_assert_num_queries(CONSEQUENCES):
            reader.get(address(device, to.slug))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("what", ["device", "fleet"])
def test_deleted_between_the_look_and_the_lock(what: str) -> None:
    device = make_device(make_fleet(make_organization(), name="kiosks", slug="kiosks"), name="kiosk-1")
    to = make_fleet(device.organization)
    client = Client()
    client.force_login(make_member(device.organization))
    answers = []

    def delete() -> None:
        if what == "device":
            lifecycle.delete(device=device, actor=None)
        else:
            fleets.delete(fleet=to, actor=None)

    with held_open(delete):
        waiting = in_background(lambda: answers.append(move(client, device, to)))
    waiting.join(WAIT)
    (answer,) = answers
    if what == "device":
        assert answer.status_code == 404
        assert "kiosk-1 was deleted meanwhile" in text_of(answer)
    else:
        assert answer.status_code == 409
        assert "The fleet you chose no longer exists." in text_of(answer)
