"""What an organization pays for: shown to members, changed by Owners who saw what would follow."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client

from devices import freezing
from devices.models import Device
from fleets.models import AuditEntry, Fleet, FleetType, Organization, Plan, Role
from tests.at_once import WAIT, held_open, in_background
from tests.dashboard.pages.settings.plan import CHANGE, PATH, preview, register, wanted
from tests.factories import make_fleet, make_member, make_organization
from tests.pages import text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def organization() -> Organization:
    return make_organization(slug="halden", name="Halden", allowance=3, shows_plan=True)


@pytest.fixture
def fleet(organization: Organization) -> Fleet:
    return make_fleet(organization, name="kiosks", slug="kiosks")


@pytest.fixture
def owner(client: Client, organization: Organization) -> Client:
    client.force_login(make_member(organization, Role.OWNER))
    return client


def confirm(client: Client, **plan: Any) -> Any:
    """Look at what changes, and press the button."""
    html = client.get(f"{CHANGE}?{urlencode(wanted(**plan))}").content.decode()
    form = html.split('<form class="panel form"')[1]
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))
    return client.post(CHANGE, hidden, follow=True)


# The page


def test_every_member_reads_how_much_is_used_and_whose_turn_is_next(
    client: Client, organization: Organization, fleet: Fleet
) -> None:
    register(fleet, "one", "two", "three", "four", "five")
    register(make_fleet(organization, type=FleetType.PAID), "vision")
    client.force_login(make_member(organization, Role.OBSERVER))
    words = text_of(client.get(PATH))
    assert "3 of 3 devices, full, new devices will be Frozen" in words
    assert "Not counted 0 Inactive 3 Frozen" in words
    assert "Next to freeze three Next to thaw four" in words
    assert "2 Frozen: outside the organization" in words
    assert "1 Frozen: a paid fleet type in a free organization." in words
    assert "An Owner can change the plan" in words
    assert "Show what changes" not in words


@pytest.mark.parametrize(
    ("allowance", "unpaid", "said"),
    [
        (None, False, "2 devices (no limit)"),
        (3, False, "2 of 3 devices , 1 left"),
        (2, False, "2 of 2 devices, full, new devices will be Frozen"),
        (0, False, "0 of 0 devices, full, new devices will be Frozen"),
        (3, True, "Invoices are unpaid, and every device is Frozen"),
    ],
)
def test_it_says_how_much_is_left(
    owner: Client, organization: Organization, fleet: Fleet, said: str, allowance: int | None, *, unpaid: bool
) -> None:
    register(fleet, "one", "two")
    freezing.change_plan(
        organization=organization, actor=None, plan=Plan.FREE, allowance=allowance, unpaid=unpaid
    )
    assert said in text_of(owner.get(PATH))


def test_the_form_shows_what_is(owner: Client, organization: Organization) -> None:
    Organization.objects.update(plan="paid", unpaid=True)
    html = owner.get(PATH).content.decode()
    assert re.search(r'value="paid"[^>]*checked', html)
    assert re.search(r'name="allowance" value="3"', html)
    assert re.search(r'name="unpaid"[^>]*checked', html)


# The preview


def test_it_names_who_would_freeze_the_last_in_line_first(owner: Client, fleet: Fleet) -> None:
    register(fleet, "one", "two", "three")
    words = preview(owner, allowance=1)
    assert "Allowance 3 devices becomes 1 device" in words
    assert "Plan Free stays" in words
    assert "2 devices freeze. Polls are still recorded. Releases, settings and reports are refused." in words
    assert "three two Change the plan and freeze 2 devices" in words
    assert not Device.objects.exclude(frozen_reason="").exists()


def test_it_names_who_would_thaw_the_first_in_line_first(owner: Client, fleet: Fleet) -> None:
    register(fleet, "one", "two", "three", "four", "five")
    words = preview(owner, allowance="")
    assert "Allowance 3 devices becomes no limit" in words
    assert "2 devices thaw. four five" in words
    assert "freeze" not in words.split("2 devices thaw")[1]


def test_beyond_the_first_few_it_counts(owner: Client, fleet: Fleet) -> None:
    Organization.objects.update(allowance=None)
    register(fleet, *(f"kiosk-{number}" for number in range(11)))
    words = preview(owner, allowance=1)
    assert "10 devices freeze." in words
    assert "kiosk-3 and 2 more" in words


def test_it_counts_those_that_only_change_their_reason(owner: Client, fleet: Fleet) -> None:
    register(fleet, "one", "two", "three", "four")
    words = preview(owner, unpaid="on")
    assert "3 devices freeze." in words
    assert "1 device stays Frozen for another reason." in words
    assert "Invoices paid becomes unpaid" in words


def test_without_consequences_it_says_so(owner: Client, fleet: Fleet) -> None:
    register(fleet, "one")
    assert "No device freezes or thaws. Change the plan" in preview(owner, allowance=2)


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ({"allowance": "-1"}, "The allowance must be 0 or more."),
        ({"allowance": "many"}, "The allowance must be a whole number."),
        ({"allowance": "2147483648"}, "The allowance must be 2147483647 or less. Leave empty for no limit."),
        ({"plan": "golden"}, "golden is not one of the available choices."),
        ({"plan": None}, "This field is required."),
    ],
)
@pytest.mark.parametrize("method", ["get", "post"])
def test_a_bad_value_is_named_and_changes_nothing(
    owner: Client, method: str, said: dict[str, Any], fault: str
) -> None:
    words = text_of(getattr(owner, method)(CHANGE, wanted(**said)))
    assert fault in words
    assert "Nothing was saved" in words
    assert not AuditEntry.objects.filter(action="plan-changed").exists()


# The change


def test_what_was_said_comes_true(owner: Client, organization: Organization, fleet: Fleet) -> None:
    devices = register(fleet, "one", "two", "three")
    answer = confirm(owner, plan="paid", allowance=1)
    assert answer.redirect_chain == [(PATH, 302)]
    assert (
        "The plan of Halden is saved. 2 devices froze, thawed or are frozen for another reason."
        in text_of(answer)
    )
    reasons = [Device.objects.get(pk=device.pk).frozen_reason for device in devices]
    assert reasons == ["", "allowance", "allowance"]
    entry = AuditEntry.objects.get(action="plan-changed")
    assert entry.before == {"plan": "free", "allowance": 3, "unpaid": False}
    assert entry.after == {"plan": "paid", "allowance": 1, "unpaid": False}
    assert "No device froze or thawed." in text_of(confirm(owner, plan="free", allowance=1))


def test_unpaid_and_settled_again(owner: Client, fleet: Fleet) -> None:
    (device,) = register(fleet, "one")
    for unpaid, reason in (("on", "unpaid"), (None, "")):
        confirm(owner, unpaid=unpaid)
        device.refresh_from_db()
        assert device.frozen_reason == reason


def test_a_plan_that_somebody_changed_meanwhile_is_shown_again(
    owner: Client, organization: Organization, fleet: Fleet
) -> None:
    register(fleet, "one", "two", "three")
    seen = freezing.plan_version(organization)
    freezing.change_plan(organization=organization, actor=None, plan=Plan.FREE, allowance=2, unpaid=False)
    answer = owner.post(CHANGE, wanted(allowance=1) | {"seen": seen})
    assert answer.status_code == 409
    words = text_of(answer)
    assert "Nothing was changed, because somebody else changed the plan meanwhile." in words
    assert "Allowance 2 devices becomes 1 device" in words
    assert "1 device freezes." in words
    organization.refresh_from_db()
    assert organization.allowance == 2


@pytest.mark.django_db(transaction=True)
def test_a_registration_that_is_under_way_is_counted_in(organization: Organization, fleet: Fleet) -> None:
    client = Client()
    client.force_login(make_member(organization, Role.OWNER))
    register(fleet, "one")
    answers = []
    with held_open(lambda: register(fleet, "two")):
        form = wanted(allowance=1) | {"seen": freezing.plan_version(organization)}
        waiting = in_background(lambda: answers.append(client.post(CHANGE, form)))
    waiting.join(WAIT)
    assert [answer.status_code for answer in answers] == [302]
    assert Device.objects.get(name="two").frozen_reason == "allowance"


@pytest.fixture
def free(owner: Client, organization: Organization) -> Client:
    """The Owner of an organization that never spoke of a plan."""
    Organization.objects.update(allowance=None, shows_plan=False)
    return owner
