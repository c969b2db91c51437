"""People who follow a saved view: they are told of incidents with a device that it lists."""

from __future__ import annotations

from typing import Any

import pytest

from dashboard.models import User
from devices.alerts import follows, wishes
from devices.alerts.hearers import Hearers, hearers
from devices.listing.filters import Tag
from devices.listing.kept_list import KeptFilters, KeptList, stored
from devices.models import AlertMessage, AlertStep, Device, SavedView
from fleets.models import Role
from tests.devices.alerts.telling_site import MINUTE, Site, T, make_site
from tests.factories import make_member

pytestmark = pytest.mark.django_db


@pytest.fixture
def site() -> Site:
    """Its rule tells nobody; its first device is at the depot."""
    site = make_site()
    AlertStep.objects.all().delete()
    Device.objects.filter(pk=site.devices[0].pk).update(tags={"site": "depot"})
    return site


@pytest.fixture
def ada(site: Site) -> User:
    address = "ada@halden.example"
    return make_member(site.organization, Role.OBSERVER, "ada", email=address, proven_email=address)


def follow(site: Site, person: User, **filters: Any) -> None:
    kept = KeptList(filters=KeptFilters(**filters))
    view = SavedView.objects.create(name="Mine", kept=stored(kept), owner=person)
    follows.follow_views(actor=person, organization=site.organization, views=[view])


def listed(site: Site) -> Hearers:
    """Whom the page of the rule names."""
    return hearers([site.rule], [])[site.rule.pk]


def told() -> list[tuple[str, str]]:
    messages = AlertMessage.objects.order_by("pk").values_list("target__name", "kind")
    return [(name, kind) for name, kind in messages]


def test_an_incident_with_a_device_of_the_view_is_told_from_its_beginning_to_its_end(
    site: Site, ada: User
) -> None:
    follow(site, ada, tags=(Tag("site", "depot"),))
    assert listed(site) == Hearers(by_view=("ada",))
    incident = site.open(T)
    assert told() == [("ada", "first")]
    message = AlertMessage.objects.get()
    assert wishes.takes(ada, site.organization.pk, message)
    site.resolve(incident, T + 10 * MINUTE)
    assert told() == [("ada", "first"), ("ada", "resolved")]


def test_another_incident_of_the_same_rule_is_not(site: Site, ada: User) -> None:
    follow(site, ada, tags=(Tag("site", "depot"),))
    site.open(T, number=5, first=1)
    assert told() == []
    site.open(T + MINUTE, number=1)
    assert told() == [("ada", "first")]


def test_a_view_that_names_a_fleet_that_is_gone_is_never_about_all_devices(site: Site, ada: User) -> None:
    follow(site, ada, fleets=("gone",))
    site.open(T)
    assert told() == []


def test_what_is_said_of_a_rule_comes_first(site: Site, ada: User) -> None:
    follow(site, ada)
    follows.follow(actor=ada, organization=site.organization, rule=site.rule, email=False)
    assert listed(site) == Hearers()
    site.open(T)
    assert told() == []


def test_whoever_follows_the_severity_too_is_listed_once(site: Site, ada: User) -> None:
    follow(site, ada)
    follows.follow_severity(actor=ada, organization=site.organization, severity="info")
    assert listed(site) == Hearers(always=("ada",))


def test_a_view_comes_before_that_no_mail_of_the_organization_is_wanted(site: Site, ada: User) -> None:
    follows.want_email(actor=ada, organization=site.organization, email=False)
    follow(site, ada)
    site.open(T)
    assert told() == [("ada", "first")]
