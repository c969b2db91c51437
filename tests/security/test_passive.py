"""What a passive scanner would look at, on every page of the site.

The addresses come from the URL configuration (tests/access/urls.py), so that none can be forgotten.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import pytest
from django.urls import path as route
from django.urls import reverse
from pytest_django import DjangoDbBlocker

import dashboard.urls
from dashboard import __version__
from tests.access.rules import Who
from tests.access.table import PAGES
from tests.access.urls import Address, addresses
from tests.access.world import World, a_world, undone
from tests.pages import HTMX
from tests.security.hostile import make_hostile
from tests.security.parameters import ALONE, linked_names, names_read
from tests.security.scan import HOSTILE, wrong_with

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

pytestmark = pytest.mark.django_db

# Those who see different pages: what the other roles see is part of what the Owner does.
WHO: Final = (Who.ANONYMOUS, Who.OBSERVER, Who.OWNER, Who.STRANGER)

ALL: Final = addresses()
OWN: Final = [address for address in ALL if not address.route.startswith("admin/")]
STAFF: Final = [address for address in ALL if address.route.startswith("admin/")]
each_page = pytest.mark.parametrize("address", OWN, ids=lambda address: address.name)
each_staff_page = pytest.mark.parametrize("address", STAFF, ids=lambda address: address.name)


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    with django_db_blocker.unblock(), a_world() as made:
        make_hostile()
        yield made


@each_page
def test_every_page(world: World, address: Address) -> None:
    page, path = PAGES[address.name], address.path(world)
    wrong = {who: wrong_with(world.client(who, page).get(path)) for who in WHO}
    assert wrong == {who: [] for who in WHO}


@pytest.mark.thorough
@each_page
def test_every_fragment_and_form(world: World, address: Address) -> None:
    """Fragments as htmx asks for them, forms sent as they should be, empty, and full of what breaks out."""
    page, path = PAGES[address.name], address.path(world)
    data = {name: text.format(**world.facts) for name, text in page.data.items()}
    client = world.client(Who.OWNER, page)
    assert wrong_with(client.get(path, headers=HTMX)) == []
    for posted in ({}, data, dict.fromkeys(data, HOSTILE)):
        with undone():
            response = client.post(path, posted)
            assert wrong_with(response) == []
            if response.status_code == 302:
                assert wrong_with(client.get(response["Location"])) == []


@pytest.mark.thorough
@each_page
def test_no_page_gives_back_what_its_address_says(world: World, address: Address) -> None:
    """The parameters that this page reads, those that it links to, and one that none knows."""
    path, client = address.path(world), world.client(Who.OWNER, PAGES[address.name])
    with names_read() as names:
        names.update(linked_names(client.get(path)))
    together = dict.fromkeys(names - ALONE, HOSTILE) | {HOSTILE: HOSTILE}
    for query in [together, *({name: HOSTILE} for name in names & ALONE)]:
        assert wrong_with(client.get(path, query)) == [], query


def test_the_parameters_that_a_page_reads_are_found(world: World) -> None:
    with names_read() as names:
        world.client(Who.OWNER).get(reverse("devices:list"))
    assert {"org", "q", "fleet", "status", "sort", "per_page", "after", "before"} <= names


@pytest.mark.thorough
@each_page
def test_no_page_gives_back_its_path(world: World, address: Address) -> None:
    """Each part of an address that names something names this instead."""
    path, client, named = address.path(world), world.client(Who.OWNER), {}
    if address.name in PAGES:
        named = {name: text.format(**world.facts) for name, text in PAGES[address.name].named.items()}
    for value in {(world.facts | named)[name] for name in address.parameters}:
        assert wrong_with(client.get(path.replace(value, quote(HOSTILE, safe="")))) == [], value
    assert wrong_with(client.get(f"{path}{quote(HOSTILE)}")) == []


@each_staff_page
def test_the_admin(world: World, address: Address) -> None:
    """Django's own pages keep to the same; procrastinate's would paint with styles; the policy stops it."""
    found = wrong_with(world.client(Who.SUPERUSER).get(address.path(world)))
    if address.name.startswith("admin:procrastinate_"):
        found = [fault for fault in found if not re.fullmatch("inline [a-z]+ style", fault)]
    assert found == []


def broken(request: HttpRequest) -> HttpResponse:
    raise RuntimeError(HOSTILE)


urlpatterns = [*dashboard.urls.urlpatterns, route("broken/", broken)]
handler400 = dashboard.urls.handler400


@pytest.mark.urls(__name__)
def test_errors(world: World) -> None:
    """As who is signed in sees them, and who is not."""
    for who in (Who.ANONYMOUS, Who.OWNER):
        client = world.client(who)
        client.raise_request_exception = False
        answers = {
            500: client.get("/broken/"),
            404: client.get("/nothing/"),
            405: client.delete("/theme/"),
            413: client.post("/theme/", {str(number): "" for number in range(1001)}),
            400: client.get("/sign-in/", headers={"Host": "evil.example"}),
        }
        assert {status: answer.status_code for status, answer in answers.items()} == {n: n for n in answers}
        assert {status: wrong_with(answer) for status, answer in answers.items()} == {n: [] for n in answers}
        assert "Traceback" not in answers[500].content.decode()


def test_the_version_is_not_for_strangers(world: World) -> None:
    for address in OWN:
        client = world.client(Who.ANONYMOUS, PAGES[address.name])
        response = client.get(address.path(world), follow=True)
        assert __version__ not in response.content.decode(), address.name
