"""The bell in the top bar."""

from __future__ import annotations

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from dashboard.models import User
from devices import clock
from devices.models import AlertTarget, LastRead
from fleets.models import Membership, Organization, Role
from tests.factories import make_member, make_organization
from tests.incidents import MINUTE, make_incident, page_of, tell
from tests.pages import text_of

pytestmark = pytest.mark.django_db

QUERIES = 6  # session, person, organizations, clock; what is newest and unread, these messages


def words_of(client: Client) -> str:
    return text_of(client.get("/incidents/bell/"))


def told(organization: Organization, number: int) -> None:
    at = clock.now()
    for place in range(number):
        tell(make_incident(organization, at), page_of(organization), at - (number - place) * MINUTE)


def test_it_counts_what_was_not_read_and_lists_the_newest(reader: Client, organization: Organization) -> None:
    told(organization, 12)
    words = words_of(reader)
    assert "unread: 12" in words
    assert words.count("[critical] Summary 1") == 10
    assert words.count("New ·") == 10


def test_reading_it_is_a_post_and_counts_for_who_reads(
    reader: Client, user: User, organization: Organization
) -> None:
    told(organization, 2)
    first, last = page_of(organization).messages.order_by("pk")
    reader.get("/incidents/bell/")
    assert "unread: 2" in words_of(reader)
    assert reader.post("/incidents/read/", {"message": str(first.uuid)}).status_code == 204
    assert "unread: 1" in words_of(reader)
    reader.post("/incidents/read/", {"message": str(last.uuid)})
    assert "unread" not in words_of(reader)
    reader.post("/incidents/read/", {"message": str(first.uuid)})  # from a page that was open
    assert LastRead.objects.get(person=user).message_id == last.pk
    other = Client()
    other.force_login(make_member(organization, Role.OBSERVER))
    assert "unread: 2" in words_of(other)


def test_it_is_of_my_organizations_and_of_their_pages(reader: Client, user: User) -> None:
    theirs, mine = make_organization(), make_organization()
    told(theirs, 1)
    Membership.objects.create(organization=mine, user=user, role=Role.OBSERVER)
    told(mine, 1)
    webhook = AlertTarget.objects.create(organization=mine, kind="webhook", name="Ops")
    tell(make_incident(mine, clock.now()), webhook, clock.now())
    assert "unread: 1" in words_of(reader)
    message = page_of(theirs).messages.get()
    assert reader.post("/incidents/read/", {"message": str(message.uuid)}).status_code == 204
    assert not LastRead.objects.exists()
    assert reader.post("/incidents/read/", {"message": "none"}).status_code == 204


def test_without_a_script_it_is_a_link(reader: Client) -> None:
    assert '<a class="btn-icon" href="/incidents/" aria-label="Messages">' in reader.get("/").content.decode()


@pytest.mark.parametrize("number", [1, 30])
def test_it_takes_as_many_queries_however_much_was_told(
    reader: Client, organization: Organization, number: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    told(organization, number)
    with django_assert_num_queries(QUERIES):
        reader.get("/incidents/bell/")
