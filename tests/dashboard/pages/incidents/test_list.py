"""The Incidents page."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from devices import clock
from devices.models import AlertTarget
from fleets.models import Fleet, Organization, Role
from tests.factories import make_device, make_fleet, make_member, make_organization
from tests.incidents import MINUTE, hold, make_incident, make_rule, page_of, put_in, tell
from tests.pages import refresh, text_of

pytestmark = pytest.mark.django_db

# session, person, clock, organizations, rules, fleets; incidents, of one device: which; how many share a
# cause, whether the last were seen; their rules, messages, holds; how many are open, targets that take
# nothing
QUERIES = 15


def sentences_in(page: object) -> list[str]:
    """The sentences of the rows, in order."""
    html = page.content.decode()  # type: ignore[attr-defined]
    return [re.sub(r"\s+", " ", said) for said in re.findall(r'class="what"[^>]*><bdi>([^<]*)</bdi>', html)]


def test_open_ones_are_there_newest_first_with_what_is_known_of_them(reader: Client, fleet: Fleet) -> None:
    at, rule = clock.now(), make_rule(fleet.organization)
    old = make_incident(fleet.organization, at - timedelta(hours=3), now=6, at_most=9)
    new = make_incident(
        fleet.organization, at - 4 * MINUTE, kind=0, key="", what="heartbeat", now=1, at_most=1
    )
    put_in(new, [make_device(fleet, name="kiosk-1")], rule, what="heartbeat")
    put_in(old, [make_device(fleet) for _ in range(6)], rule)
    make_incident(fleet.organization, at - MINUTE, state="resolved", resolved_at=at, key="198.51.100.1")
    tell(old, page_of(fleet.organization), at)
    page = reader.get("/incidents/")
    assert sentences_in(page) == [
        "kiosk-1 is Offline",
        "6 of 9 devices at 203.0.113.7 lost the VPN within 60 s",
    ]
    words = text_of(page)
    assert "Open 2" in words
    assert "at most 9" in words
    assert "Lost together" in words
    assert "Not told" in words


def test_what_is_over_reads_as_the_past(reader: Client, fleet: Fleet) -> None:
    at = clock.now()
    over = {"state": "resolved", "resolved_at": at - MINUTE, "now": 0, "kind": 0, "key": ""}
    ended = make_incident(fleet.organization, at - 6 * MINUTE, at_most=1, **over)
    put_in(
        ended, [make_device(fleet, name="tram-1")], make_rule(fleet.organization), state="gone", gone_at=at
    )
    page = reader.get("/incidents/?state=over")
    assert sentences_in(page) == ["tram-1 was Offline"]
    assert "5 min" in text_of(page).replace("\u00a0", " ")


def test_what_is_held_and_was_told_to_nobody_says_until_when(reader: Client, fleet: Fleet) -> None:
    at = clock.now()
    told, held = (make_incident(fleet.organization, at, key=key) for key in ("203.0.113.1", "203.0.113.2"))
    tell(told, page_of(fleet.organization), at)
    hold(held, page_of(fleet.organization), at)
    page = reader.get("/incidents/?state=held")
    assert len(sentences_in(page)) == 1
    words = text_of(page)
    assert "Held" in words
    assert "Not told Maintenance until" in words


@pytest.mark.parametrize("query", ["severity=warning", "rule={rule}", "fleet=kiosks"])
def test_filters_are_the_address(reader: Client, fleet: Fleet, query: str) -> None:
    at, other = clock.now(), make_fleet(fleet.organization)
    rule, another = make_rule(fleet.organization), make_rule(fleet.organization, "Offline")
    mine = make_incident(fleet.organization, at, severity="warning", key="203.0.113.1")
    put_in(mine, [make_device(fleet)], rule)
    put_in(make_incident(fleet.organization, at, key="203.0.113.2"), [make_device(other)], another)
    page = reader.get("/incidents/?" + query.format(rule=rule.uuid))
    assert [said for said in sentences_in(page) if "203.0.113.1" in said] == sentences_in(page)
    assert len(sentences_in(page)) == 1
    assert "Clear filters" in text_of(page)


def test_a_filter_that_is_none_is_ignored_with_a_notice(reader: Client, fleet: Fleet) -> None:
    make_incident(fleet.organization, clock.now())
    page = reader.get("/incidents/?severity=awful&fleet=nowhere&rule=none&state=lost")
    assert len(sentences_in(page)) == 1
    assert text_of(page).count("It was ignored.") == 4


def test_strangers_see_none_of_it(reader: Client) -> None:
    make_incident(make_organization(), clock.now())
    assert sentences_in(reader.get("/incidents/")) == []
    assert "No incident is open" in text_of(reader.get("/incidents/"))


def test_targets_that_take_nothing_are_named(reader: Client, organization: Organization) -> None:
    at = clock.now()
    values = {"kind": "webhook", "state": "failing", "state_since": at, "last_error": "connection refused"}
    AlertTarget.objects.create(organization=organization, name="Ops", **values)
    own = make_member(organization, Role.OBSERVER)
    AlertTarget.objects.create(organization=organization, name="Mine", person=own, **values)
    words = text_of(reader.get("/incidents/"))
    assert "Ops cannot be reached since" in words
    assert "connection refused" in words
    assert "Mine" not in words


def test_pages_go_on_behind_the_last_row(reader: Client, organization: Organization) -> None:
    at = clock.now()
    for number in range(60):
        make_incident(organization, at - number * MINUTE, key=f"203.0.113.{number}")
    first = reader.get("/incidents/")
    assert len(sentences_in(first)) == 50
    older = re.search(r'rel="next" href="([^"]+)"', first.content.decode())
    assert older
    assert len(sentences_in(reader.get("/incidents/" + older.group(1)))) == 10


@pytest.mark.parametrize("number", [1, 30])
def test_any_number_of_rows_takes_as_many_queries(
    reader: Client, fleet: Fleet, number: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    at, rule = clock.now(), make_rule(fleet.organization)
    for place in range(number):
        one = make_incident(fleet.organization, at, kind=0, key="", now=1, at_most=1)
        put_in(one, [make_device(fleet)], rule)
        several = make_incident(fleet.organization, at, key=f"203.0.113.{place}")
        put_in(several, [make_device(fleet) for _ in range(2)], rule)
        tell(several, page_of(fleet.organization), at)
    with django_assert_num_queries(QUERIES):
        reader.get("/incidents/")


def test_nothing_new_is_304(reader: Client, organization: Organization) -> None:
    one = make_incident(organization, clock.now())
    tag = reader.get("/incidents/").headers["HX-PTag"]
    assert refresh(reader, "/incidents/", tag).status_code == 304
    tell(one, page_of(organization), clock.now())
    assert refresh(reader, "/incidents/", tag).status_code == 200
