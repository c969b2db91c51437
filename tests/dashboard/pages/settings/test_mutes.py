"""Settings, Mutes: what is muted by a form, by whom, and where the pages say so."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from devices.alerts import rules
from devices.models import AlertRule, Mute, SavedView
from fleets.models import Organization, Role
from tests.dashboard.pages.settings.alert_rule_form import shipped
from tests.factories import make_device, make_fleet, make_member, make_organization
from tests.pages import text_of

pytestmark = pytest.mark.django_db
FOR_ALL = {"mute-whom": "all", "mute-until": "1d", "mute-note": "The depot is rebuilt"}


@pytest.fixture
def organization() -> Organization:
    organization = make_organization()
    rules.ship(organization)
    return organization


@pytest.fixture
def rule(organization: Organization) -> AlertRule:
    return shipped(organization, "offline")


@pytest.fixture
def address(organization: Organization) -> str:
    return f"/settings/{organization.slug}/mutes/new/"


def as_member(client: Client, organization: Organization, role: Role) -> Client:
    client.force_login(make_member(organization, role))
    return client


def make_view(organization: Organization, **fields: Any) -> SavedView:
    return SavedView.objects.create(name="Trams", kept={}, **fields or {"organization": organization})


def test_a_rule_is_muted_for_everybody_and_says_so(
    client: Client, organization: Organization, rule: AlertRule, address: str
) -> None:
    operator = as_member(client, organization, Role.OPERATOR)
    own = f"/settings/{organization.slug}/alert-rules/{rule.uuid}/"
    assert f"?rule={rule.uuid}" in operator.get(own).content.decode()
    assert "Offline" in text_of(operator.get(address))
    refused = operator.post(f"{address}?rule={rule.uuid}", FOR_ALL | {"mute-note": ""})
    assert "Say why, so that the others know." in text_of(refused)
    answer = operator.post(f"{address}?rule={rule.uuid}", FOR_ALL, follow=True)
    assert "Offline is muted." in text_of(answer)
    mute = Mute.objects.get()
    assert (mute.rule, mute.person, mute.note) == (rule, None, "The depot is rebuilt")
    assert "muted it for everybody until" in text_of(operator.get(own))
    assert "Muted until" in text_of(operator.get(f"/settings/{organization.slug}/alert-rules/"))


def test_an_observer_mutes_a_view_and_a_device_for_herself(
    client: Client, organization: Organization, address: str
) -> None:
    observer = as_member(client, organization, Role.OBSERVER)
    view, device = make_view(organization), make_device(make_fleet(organization))
    for name, what in (("view", view), ("device", device)):
        form = f"{address}?{name}={what.uuid}"
        assert "Everybody" not in text_of(observer.get(form))
        assert observer.post(form, FOR_ALL).status_code == 302
    assert {(mute.view, mute.device, mute.person is None) for mute in Mute.objects.all()} == {
        (view, None, False),
        (None, device, False),
    }


def test_nobody_mutes_for_everybody_by_a_view_that_the_others_do_not_see(
    client: Client, organization: Organization, address: str
) -> None:
    owner = make_member(organization, Role.OWNER)
    client.force_login(owner)
    view = make_view(organization, owner=owner)
    assert "Everybody" not in text_of(client.get(f"{address}?view={view.uuid}"))


@pytest.mark.parametrize("name", ["rule", "view", "device"])
def test_what_is_of_others_is_not_found(
    client: Client, organization: Organization, address: str, name: str
) -> None:
    other = make_organization()
    rules.ship(other)
    theirs = {
        "rule": shipped(other, "offline").uuid,
        "view": make_view(other).uuid,
        "device": make_device(make_fleet(other)).uuid,
    }
    owner = as_member(client, organization, Role.OWNER)
    assert owner.get(f"{address}?{name}={theirs[name]}").status_code == 404
    assert owner.post(f"{address}?{name}=nonsense", FOR_ALL).status_code == 404
