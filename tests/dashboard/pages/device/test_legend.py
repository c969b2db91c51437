"""The legend of all statuses."""

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from devices.rules.rules import RULES
from devices.rules.vocabulary import Status
from tests.factories import make_member, make_organization
from tests.pages import text_of

pytestmark = pytest.mark.django_db

# session, person, organizations, clock
QUERIES = 4


@pytest.fixture
def reader(client: Client) -> Client:
    client.force_login(make_member(make_organization()))
    return client


def test_every_status_and_every_rule_is_there_in_order(
    reader: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(QUERIES):
        words = text_of(reader.get("/statuses/"))
    legend = words.split("Condition")[1]
    places = [legend.index(f"{status.label} Rule") for status in Status]
    assert places == sorted(places)
    for number, rule in enumerate(RULES, 1):
        assert f"Rule {number} {rule.sentence.format(vpn='VPN', fleet='fleet')}" in words
    for state in ("VPN connected", "VPN not used", "API overdue", "API never seen"):
        assert state in words


def test_the_simple_vocabulary_folds_the_rules(reader: Client, settings: Settings) -> None:
    settings.SIMPLE_STATUSES = True
    words = text_of(reader.get("/statuses/"))
    assert "Only)" not in words
    assert "Frozen" not in words
    assert all(f"Rule {number} " in words for number in range(1, len(RULES) + 1))


def test_the_words_of_the_site_are_used(reader: Client, settings: Settings) -> None:
    settings.VPN_WORD, settings.FLEET_WORD = "Cloudlink", "Site"
    page = text_of(reader.get("/statuses/"))
    assert "Cloudlink connected" in page
    assert "the site type" in page
    assert "VPN " not in page.replace("(VPN Only)", "")
    assert "fleet" not in page


def test_the_anonymous_are_led_to_sign_in(client: Client) -> None:
    assert client.get("/statuses/")["Location"] == "/sign-in/?next=%2Fstatuses%2F"
