"""The words of the Fleets page."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from pytest_django import Settings

from dashboard.models import User
from fleets.models import Fleet, Organization
from tests.factories import make_device, make_fleet, make_member, make_organization
from tests.fleets.services.fleets_page import counts_in, row_of
from tests.pages import make_every_status, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def organization() -> Organization:
    return make_organization()


@pytest.fixture
def user(organization: Organization) -> User:
    return make_member(organization)


@pytest.fixture
def reader(client: Client, user: User) -> Client:
    client.force_login(user)
    return client


@pytest.fixture
def fleet(organization: Organization) -> Fleet:
    return make_fleet(organization, name="kiosks", slug="kiosks", device_type="Raspberry Pi 4")


def test_the_simple_vocabulary_folds_the_counts(reader: Client, fleet: Fleet, settings: Settings) -> None:
    make_every_status(fleet)
    settings.SIMPLE_STATUSES = True
    html = reader.get("/").content.decode()
    folded = {
        "online": 3,
        "offline": 1,
        "configuring": 1,
        "updating": 1,
        "post-provisioning": 1,
        "inactive": 2,
    }
    assert counts_in(row_of(html, "kiosks")) == folded
    assert counts_in(html.split("</section>")[0]) == folded
    words = text_of(reader.get("/"))
    assert "3 need attention: 1 Offline, 2 with one link" in words
    assert words.count("1 Offline, 2 with one link") == 2  # the fleet's row says it too


def test_the_nine_statuses_say_themselves_what_needs_attention(reader: Client, fleet: Fleet) -> None:
    make_every_status(fleet)
    assert "with one link" not in text_of(reader.get("/"))


def test_the_words_of_the_site_are_used(reader: Client, fleet: Fleet, settings: Settings) -> None:
    settings.FLEET_WORD = "Application"
    make_device(fleet)
    words = text_of(reader.get("/"))
    assert "Applications" in words
    assert "in 1 application" in words
    assert "Fleet" not in words


def test_empty_states_say_what_to_do(client: Client, organization: Organization) -> None:
    client.force_login(make_member(organization))
    words = text_of(client.get("/"))
    assert "No fleets yet" in words
    assert "curl -X POST http://testserver/api/v1/register" in words
    make_fleet(organization)
    assert "No devices" in text_of(client.get("/"))
    client.force_login(User.objects.create_user("alone"))
    assert "You belong to no organization yet" in text_of(client.get("/"))


def test_nothing_is_inline(reader: Client, fleet: Fleet) -> None:
    make_every_status(fleet)
    html = reader.get("/").content.decode()
    assert " style=" not in html
    assert "<style" not in html
    assert re.findall(r"<script(?![^>]* src=)", html) == []
