"""What people and devices wrote stands apart from the text around it: its direction of writing turns none.

On every page of a world in which all of it is hostile (tests/security/hostile.py), each text that holds some
is in a <bdi>, or alone in what is a text of its own: a title, an option, a field.
"""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Final

import pytest
from pytest_django import DjangoDbBlocker

from tests.access.rules import Who
from tests.access.table import PAGES
from tests.access.urls import Address, addresses
from tests.access.world import World, a_world
from tests.pages import HTMX
from tests.security.hostile import make_hostile
from tests.security.scan import HOSTILE

pytestmark = pytest.mark.django_db

OWN: Final = [address for address in addresses() if not address.route.startswith("admin/")]
APART: Final = {"bdi", "title", "option", "textarea"}


class Exposed(HTMLParser):
    """The texts of a page that hold what somebody wrote, outside of what sets it apart."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._apart = 0
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._apart += tag in APART

    def handle_endtag(self, tag: str) -> None:
        self._apart -= tag in APART

    def handle_data(self, data: str) -> None:
        if HOSTILE.split("<", 1)[0] in data and not self._apart:
            self.found.append(" ".join(data.split()))


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    with django_db_blocker.unblock(), a_world() as made:
        make_hostile()
        yield made


@pytest.mark.parametrize("address", OWN, ids=lambda address: address.name)
def test_on_every_page_it_stands_apart(world: World, address: Address) -> None:
    path, client = address.path(world), world.client(Who.OWNER, PAGES[address.name])
    for headers in ({}, HTMX):
        answer = client.get(path, headers=headers)
        if not answer.streaming and answer.headers.get("Content-Type", "").startswith("text/html"):
            assert Exposed(answer.content.decode()).found == []


def test_what_stands_among_other_words_is_found() -> None:
    assert Exposed(f"<p>Move {HOSTILE.replace('<', '&lt;')} away</p>").found
    assert not Exposed("<p>Move <bdi>qz&lt;x</bdi> away</p><title>qz&lt;x</title>").found
