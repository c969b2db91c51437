"""My organizations, and each one's own settings."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from dashboard.models import User
from fleets.models import Fleet, Membership, Organization, Role
from fleets.services import organizations
from tests.factories import make_device, make_fleet, make_member, make_organization
from tests.pages import html_of, text_of

pytestmark = pytest.mark.django_db
# session, person, organizations, clock
LIST_QUERIES = 4
# the same, and the fleets of the side navigation
PAGE_QUERIES = 5
PATHS = ["/settings/halden/", "/settings/halden/delete/", "/settings/halden/leave/"]


@pytest.fixture
def organization() -> Organization:
    return make_organization("Halden Rail", slug="halden")


def signed_in(client: Client, organization: Organization, role: Role) -> User:
    user = make_member(organization, role)
    client.force_login(user)
    return user


@pytest.mark.parametrize("more", [0, 29])
def test_my_organizations_are_listed_with_my_role(
    client: Client, organization: Organization, django_assert_num_queries: DjangoAssertNumQueries, more: int
) -> None:
    user = signed_in(client, organization, Role.OPERATOR)
    make_organization("Not mine")
    for number in range(more):
        Membership.objects.create(user=user, organization=make_organization(f"Other {number:02}"))
    with django_assert_num_queries(LIST_QUERIES):
        page = client.get("/settings/")
    rows = re.findall(r'class="name"><bdi>([^<]+)</bdi></span><span class="quiet">([^<]+)<', html_of(page))
    assert rows == [("Halden Rail", "Operator"), *((f"Other {n:02}", "Observer") for n in range(more))]


def test_who_belongs_to_none_is_told_what_to_do(client: Client) -> None:
    client.force_login(User.objects.create_user("ada"))
    page = client.get("/settings/")
    assert "You belong to no organization yet" in text_of(page)
    assert 'href="/organizations/new/"' in page.content.decode()


def test_anybody_makes_an_organization_and_owns_it(client: Client) -> None:
    user = User.objects.create_user("ada")
    client.force_login(user)
    assert "You become its Owner" in text_of(client.get("/organizations/new/"))
    answer = client.post("/organizations/new/", {"name": " Halden Rail "}, follow=True)
    assert answer.redirect_chain == [("/settings/halden-rail/", 302)]
    assert "Halden Rail was created" in text_of(answer)
    assert Membership.objects.values_list("user", "role").get() == (user.pk, "owner")


def test_the_page_says_how_many_organizations_one_may_own_and_that_no_more_may(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(organizations, "MOST", 2)
    user = User.objects.create_user("ada")
    client.force_login(user)
    Membership.objects.create(organization=make_organization(), user=user, role=Role.OPERATOR)
    for name in ("one", "two"):
        assert client.post("/organizations/new/", {"name": name}).status_code == 302
    assert "Owner of up to 2 organizations" in text_of(client.get("/organizations/new/"))
    answer = client.post("/organizations/new/", {"name": "three"})
    assert "You are already Owner of 2 organizations, which is the limit" in text_of(answer)
    assert not Organization.objects.filter(name="three").exists()


@pytest.mark.parametrize("name", ["", " ", "x" * 101])
def test_a_name_that_cannot_be_is_refused(client: Client, organization: Organization, name: str) -> None:
    signed_in(client, organization, Role.OWNER)
    for path in ("/organizations/new/", "/settings/halden/"):
        page = client.post(path, {"name": name})
        assert 'id="id_name_error"' in page.content.decode()
    assert list(Organization.objects.values_list("name", flat=True)) == ["Halden Rail"]


@pytest.mark.parametrize(("fleets", "listed"), [(1, 1), (8, 8), (9, 0), (30, 0)])
def test_the_side_navigation_lists_few_fleets_and_leads_to_many(
    client: Client,
    organization: Organization,
    django_assert_num_queries: DjangoAssertNumQueries,
    fleets: int,
    listed: int,
) -> None:
    signed_in(client, organization, Role.ADMINISTRATOR)
    for number in range(fleets):
        make_fleet(organization, slug=f"kiosks-{number}")
    make_fleet(slug="foreign")
    with django_assert_num_queries(PAGE_QUERIES):
        html = client.get("/settings/halden/").content.decode()
    assert html.count('href="/fleets/kiosks-') == listed
    assert ('href="/settings/halden/fleets/"' in html) is (fleets > listed)
    assert "/fleets/foreign/" not in html


def test_all_fleets_are_a_page_and_come_to_the_side_when_asked_for(
    client: Client, organization: Organization, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    signed_in(client, organization, Role.ADMINISTRATOR)
    for number in range(30):
        make_fleet(organization, slug=f"kiosks-{number}")
    make_fleet(slug="foreign")
    with django_assert_num_queries(PAGE_QUERIES + 1):
        html = client.get("/settings/halden/fleets/").content.decode()
    assert html.count('href="/fleets/kiosks-') == 30
    assert "/fleets/foreign/" not in html
    own = client.get("/fleets/kiosks-7/settings/").content.decode()
    side = own.partition('id="side-fleets" open')[2].partition("</details>")[0]
    assert re.findall('href="/fleets/([^/]+)/settings/" aria-current', side) == ["kiosks-7"]
    fragment = client.get("/settings/halden/fleets/?tab=fleet:kiosks-7", headers={"HX-Request": "true"})
    entries = fragment.content.decode()
    assert entries.count("<li>") == 31  # and the one that makes another
    assert re.findall('href="/fleets/([^/]+)/settings/" aria-current', entries) == ["kiosks-7"]


def test_owners_rename(client: Client, organization: Organization) -> None:
    signed_in(client, organization, Role.OWNER)
    assert 'value="Halden Rail"' in client.get("/settings/halden/").content.decode()
    answer = client.post("/settings/halden/", {"name": "Halden"}, follow=True)
    assert answer.redirect_chain == [("/settings/halden/", 302)]
    assert "It is now called Halden" in text_of(answer)
    assert Organization.objects.values_list("name", "slug").get() == ("Halden", "halden")


@pytest.mark.parametrize("role", [Role.OBSERVER, Role.OPERATOR, Role.ADMINISTRATOR])
def test_others_read_but_change_nothing(client: Client, organization: Organization, role: Role) -> None:
    signed_in(client, organization, role)
    page = client.get("/settings/halden/")
    assert f"You are {role.label}" in text_of(page)
    assert "Rename" not in text_of(page)
    assert "/settings/halden/delete/" not in page.content.decode()
    assert client.post("/settings/halden/", {"name": "x"}).status_code == 403
    assert client.get("/settings/halden/delete/").status_code == 403
    assert client.post("/settings/halden/delete/", {"confirm": "halden"}).status_code == 403
    assert Organization.objects.get().name == "Halden Rail"


def test_an_organization_goes_when_its_address_is_typed(client: Client, organization: Organization) -> None:
    signed_in(client, organization, Role.OWNER)
    make_fleet(organization)
    assert "Fleets: 1 Keys: 0 Members: 1" in text_of(client.get("/settings/halden/delete/"))
    for typed in ("", "Halden Rail", "HALDEN"):
        page = client.post("/settings/halden/delete/", {"confirm": typed})
        assert "Nothing was deleted" in text_of(page)
    assert Organization.objects.exists()
    answer = client.post("/settings/halden/delete/", {"confirm": "halden"}, follow=True)
    assert answer.redirect_chain == [("/settings/", 302)]
    assert "Halden Rail was deleted" in text_of(answer)
    assert not Organization.objects.exists()
    assert not Fleet.objects.exists()


def test_an_organization_with_devices_says_why_it_stays(client: Client, organization: Organization) -> None:
    signed_in(client, organization, Role.OWNER)
    make_device(make_fleet(organization))
    for page in (
        client.get("/settings/halden/delete/"),
        client.post("/settings/halden/delete/", {"confirm": "halden"}),
    ):
        assert "Halden Rail cannot be deleted, because it has 1 device" in text_of(page)
        assert 'href="/devices/?org=halden"' in page.content.decode()
    assert Organization.objects.exists()


@pytest.mark.parametrize("path", PATHS)
def test_strangers_find_nothing(client: Client, organization: Organization, path: str) -> None:
    signed_in(client, make_organization(), Role.OWNER)
    assert client.get(path).status_code == 404
    assert client.post(path, {"name": "x", "confirm": "halden"}).status_code == 404
    client.logout()
    assert client.get(path).headers["Location"].startswith("/sign-in/?next=")
    assert Organization.objects.filter(name="Halden Rail").exists()
