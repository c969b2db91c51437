"""No number breaks a page, whichever filter or field it stands in, however long and however it is written.

A thorough run (tests/examples.py) tries each of the numbers everywhere, a quick one a fifth of them on
a fifth of the pages. The addresses come from the URL configuration (tests/access/urls.py), the filters
from what each page reads, the fields from its forms.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import pytest
from pytest_django import DjangoDbBlocker

from tests.access.rules import Who
from tests.access.table import PAGES
from tests.access.urls import Address, addresses
from tests.access.world import World, a_world, undone
from tests.examples import in_turn
from tests.pages import HTMX, streamed
from tests.security.html import Html
from tests.security.parameters import ALONE, linked_names, names_read

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as Response

pytestmark = [pytest.mark.django_db, pytest.mark.hypothesis]  # which chooses those of a thorough run

# Beyond 64 bits at 20 digits, beyond a float at 309, beyond what Python reads as an integer above 4300.
NUMBERS: Final = (
    *("9" * length for length in (1, 19, 20, 309, 4300, 5000)),
    *("-1", "-" + "9" * 20, "1e400", "0x1F", "1_000", "1.5", "NaN", "-Infinity"),
    *("٣" * 20, "Ⅻ²", "[" * 5000),
)
# What such a number stands in where a filter takes more than the number itself.
WRITTEN: Final = {
    "tag": "x={}",
    "no-tag": "x={}",
    "silent": "{}d",
    "from": "{}-01-01",
}
# For each parameter and field by itself.
FEWER: Final = ("9" * 20, "9" * 309, "9" * 5000)

OWN: Final = [address for address in addresses() if not address.route.startswith("admin/")]
each_page = pytest.mark.parametrize("address", in_turn(tuple(OWN), 2), ids=lambda address: address.name)


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    with django_db_blocker.unblock(), a_world() as made:
        yield made


def broken(response: Response) -> bool:
    """Whether an answer tells of a fault of ours, once all of it was sent."""
    if response.streaming:
        streamed(response)
    return response.status_code >= 500


@each_page
def test_no_number_in_a_filter_breaks_a_page(world: World, address: Address) -> None:
    path, client = address.path(world), world.client(Who.OWNER, PAGES[address.name])
    with names_read() as names:
        names.update(linked_names(client.get(path)))
    queries = [dict.fromkeys(names - ALONE, number) for number in in_turn(NUMBERS, len(path))]
    queries += [{name: number} for name in names & ALONE for number in FEWER]
    queries += [{name: WRITTEN[name].format(number) for name in names & WRITTEN.keys()} for number in FEWER]
    for query in filter(None, queries):
        assert not broken(client.get(path, query)), query


@each_page
def test_no_number_in_an_address_breaks_a_page(world: World, address: Address) -> None:
    path, client = address.path(world), world.client(Who.OWNER)
    named = {name: text.format(**world.facts) for name, text in PAGES[address.name].named.items()}
    values = {(world.facts | named)[name] for name in address.parameters}
    for value, number in by_itself(values, path):
        assert not broken(client.get(path.replace(value, number))), number


@each_page
def test_no_number_in_a_form_breaks_a_page(world: World, address: Address) -> None:
    """In all fields at once, and in each beside good ones."""
    page, path = PAGES[address.name], address.path(world)
    client = world.client(Who.OWNER, page)
    good = {name: text.format(**world.facts) for name, text in page.data.items()}
    fields = {*good, *fields_of(client.get(path))}
    posts = [dict.fromkeys(fields, number) for number in in_turn(NUMBERS[::2], len(path))]
    posts += [good | {field: number} for field, number in by_itself(fields, path)]
    for posted in filter(None, posts):
        with undone():
            assert not broken(client.post(path, posted, headers=HTMX)), posted


def by_itself(names: set[str], path: str) -> Iterator[tuple[str, str]]:
    """Each of these with each number whose turn it is."""
    for turn, name in enumerate(sorted(names), start=len(path)):
        yield from ((name, number) for number in in_turn(FEWER, turn))


def fields_of(response: Response) -> set[str]:
    """The fields of the forms of a page that change something."""
    if response.streaming:
        return set()
    forms = Html(response.content.decode()).forms
    return {name for form in forms if form.method == "post" for name in form.names}
