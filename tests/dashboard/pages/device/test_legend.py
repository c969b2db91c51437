"""The legend of all statuses, and the heartbeat window."""

import re
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from dashboard.pages.device.heartbeat_window import BY_HEARTBEAT
from devices.rules.rules import RULES
from devices.rules.vocabulary import HeartbeatState, Status
from tests.devices.status.polled import BEATS, DOWN, LATELY, LOST_BEAT, UP, status_at
from tests.factories import T0, make_device, make_member, make_organization
from tests.pages import text_of

pytestmark = pytest.mark.django_db

# session, person, organizations, clock, whether there is a source
QUERIES = 5


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


FACTS = {HeartbeatState.RECENT: BEATS, HeartbeatState.LATE: LATELY, HeartbeatState.LOST: LOST_BEAT}


@pytest.mark.parametrize("state", BY_HEARTBEAT)
def test_the_window_tells_the_status_that_the_rules_give(state: HeartbeatState) -> None:
    devices = [make_device(**link | FACTS[state]) for link in ({"vpn_enabled": False}, DOWN, UP)]
    assert tuple(status_at(device, T0) for device in devices) == BY_HEARTBEAT[state]


def test_the_window_is_told_for_intervals_of_each_kind(reader: Client, settings: Settings) -> None:
    settings.POLL_INTERVAL, settings.HEARTBEAT_GRACE = 600, 20
    page = text_of(reader.get("/statuses/"))
    for row in (
        "10 s \u2013 15 s 35 s",
        "3 min 4 min 4 min 30 s 4 min 50 s",
        "10 min 11 min 15 min 15 min 20 s",
        "24 h 24 h 1 min 36 h 36 h 20 s",
    ):
        assert row in page
    assert "lost 20 s later" in page


def drawn(svg: str) -> list[str]:
    """The words of a drawing of the window."""
    return re.findall(r"<text[^>]*>([^<]+)<", svg.replace("\u00a0", " "))


def test_the_documents_have_the_same_drawing(reader: Client) -> None:
    page = reader.get("/statuses/").content.decode()
    svg = page[page.index('class="window-steps"') :].partition("</svg>")[0]
    assert len(drawn(svg)) == 14
    assert drawn(svg) == drawn(Path("docs/pictures/heartbeat-window.svg").read_text())


def test_the_page_of_a_device_leads_to_the_window(client: Client) -> None:
    device = make_device()
    client.force_login(make_member(device.organization))
    assert 'href="/statuses/#heartbeat-window"' in client.get(f"/devices/{device.uuid}/").content.decode()
    assert 'id="heartbeat-window"' in client.get("/statuses/").content.decode()


def test_the_anonymous_are_led_to_sign_in(client: Client) -> None:
    assert client.get("/statuses/")["Location"] == "/sign-in/?next=%2Fstatuses%2F"
