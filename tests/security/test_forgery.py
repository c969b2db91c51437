"""No page does what another site asks for in somebody's name, nor leads to another site."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode, urljoin, urlsplit

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoDbBlocker

from tests.access.rules import Who
from tests.access.table import PAGES
from tests.access.urls import Address, addresses
from tests.access.world import World, a_world, everything, undone

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as Response

pytestmark = pytest.mark.django_db

NEXT: Final = ("next", "back", "to", "url", "redirect", "return", "continue")
ELSEWHERE: Final = (
    *("https://evil.example/", "//evil.example/", "/\\evil.example/", "\\\\evil.example/", "///evil.example"),
    *(
        "https:evil.example",
        "javascript:alert(1)",
        "/\t/evil.example",
        " //evil.example",
        "//localhost@evil.example",
    ),
)
ALL: Final = addresses()
OWN: Final = [address for address in ALL if not address.route.startswith("admin/")]
each_page = pytest.mark.parametrize("address", OWN, ids=lambda address: address.name)


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    with django_db_blocker.unblock(), a_world() as made:
        yield made


@pytest.mark.thorough
@each_page
def test_no_page_leads_off_the_site(world: World, address: Address) -> None:
    """Whoever is asked to lead on somewhere, by a link or by a form."""
    page, path = PAGES[address.name], address.path(world)
    data = {name: text.format(**world.facts) for name, text in page.data.items()}
    asked = dict.fromkeys(NEXT, "https://evil.example/")
    for who in (Who.ANONYMOUS, Who.OWNER):
        with undone():
            client = world.client(who, page)
            stays(client.get(path, asked))
            stays(client.post(f"{path}?{urlencode(asked)}", data | asked))


@pytest.mark.parametrize("where", ELSEWHERE)
def test_no_spelling_of_elsewhere_is_led_to(world: World, where: str) -> None:
    """By the pages that do lead on."""
    stays(world.client(Who.OWNER).get(reverse(settings.LOGIN_URL), {"next": where}))
    for who, path, data in (
        (Who.ANONYMOUS, reverse(settings.LOGIN_URL), PAGES[settings.LOGIN_URL].data),
        (Who.OWNER, reverse("theme"), {"theme": "dark"}),
    ):
        with undone():
            posted = {name: text.format(**world.facts) for name, text in data.items()} | {"next": where}
            response = world.client(who).post(path, posted)
            assert response.status_code == 302
            stays(response)


def stays(response: Response) -> None:
    """As a browser reads it: it takes a backslash for a slash, and drops tabs and line ends."""
    location = re.sub(r"[\t\r\n]", "", response.get("Location", "")).replace("\\", "/").strip()
    parts = urlsplit(urljoin("https://ours.example/here/", location))
    assert (parts.scheme, parts.netloc) == ("https", "ours.example"), location


# Mail programs post it by themselves (RFC 8058): the secret of the link is what nobody else has.
BY_MAIL: Final = {"fleets:unsubscribe"}


@pytest.mark.parametrize(
    "address", [address for address in ALL if address.name not in BY_MAIL], ids=lambda address: address.name
)
def test_nothing_is_done_without_the_token_of_the_form(world: World, address: Address) -> None:
    """Not by who may, with a session, from anywhere; nor with a token of one's own making."""
    page, path = PAGES.get(address.name), address.path(world)
    data = {name: text.format(**world.facts) for name, text in page.data.items()} if page else {}
    before = everything()
    for who in (Who.ANONYMOUS, Who.OWNER if page else Who.SUPERUSER):
        client = Client(enforce_csrf_checks=True)
        client.cookies = world.client(who, page).cookies
        assert client.post(path, data).status_code == 403
        client.cookies["csrftoken"] = "a" * 32
        assert client.post(path, data | {"csrfmiddlewaretoken": "b" * 32}).status_code == 403
        stolen = data | {"csrfmiddlewaretoken": "a" * 32}
        assert client.post(path, stolen, headers={"Origin": "https://evil.example"}).status_code == 403
    assert everything() == before
