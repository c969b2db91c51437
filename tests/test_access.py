"""Who may: every address of the site, asked for by everybody, against one table.

The addresses come from the URL configuration: one that is not in the table fails, with its name.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any, Final

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import DjangoDbBlocker

from dashboard.live.subscribers import rights_of
from devices import clock
from fleets.models import Organization
from tests.access.rules import ADMIN_SIGN_IN, SIGN_IN, Page, Rule, Who
from tests.access.table import HEARS, PAGES
from tests.access.urls import Address, addresses
from tests.access.world import World, a_world, everything, outcome, undone

pytestmark = pytest.mark.django_db

ADMIN: Final = "admin/"
# What the admin shows to who is not signed in to it.
ADMIN_OPEN: Final = {"admin:login", "admin:logout"}

ALL: Final = addresses()
OWN: Final = [address for address in ALL if not address.route.startswith(ADMIN)]
STAFF: Final = [address for address in ALL if address.route.startswith(ADMIN)]


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    with django_db_blocker.unblock(), a_world() as made:
        yield made


def ask(client: Client, method: str, path: str, page: Page | None, world: World) -> int | str:
    data: dict[str, Any] = {}
    if page:
        data = {name: text.format(**world.facts) for name, text in page.data.items()}
        data |= {name: SimpleUploadedFile(name, text.encode()) for name, text in page.files.items()}
    return outcome(client.get(path) if method == "GET" else client.post(path, data))


def refused(result: int | str) -> bool:
    return isinstance(result, str) or result in {403, 404, 405, 410}


def test_every_address_is_in_the_table_and_no_other() -> None:
    assert sorted(address.name for address in OWN) == sorted(PAGES)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("address", OWN, ids=lambda address: address.name)
def test_who_may(world: World, address: Address, method: str) -> None:
    """And who may not, changes nothing; nor does who only looks."""
    page = PAGES[address.name]
    path, clients, before = address.path(world), world.clients(page), everything()
    expected: Rule = page.get if method == "GET" else page.post
    results = {}
    with undone():
        for who, client in clients.items():
            with nullcontext() if method == "GET" else undone():
                results[who] = ask(client, method, path, page, world)
                if method == "POST" and refused(results[who]) and not page.signs_out:
                    assert everything() == before, who
        assert everything() == before
    assert results == expected


def test_who_hears_at_the_bell(world: World) -> None:
    """The one address that is not Django's; what it answers whom:
    tests/dashboard/live/test_event_stream.py.
    """
    sessions = {
        who: cookie.value
        for who, client in world.clients().items()
        if (cookie := client.cookies.get("sessionid"))
    }
    rights = rights_of(sessions.values(), clock.now())
    assert set(rights) == set(sessions.values())
    ours = Organization.objects.get(slug="ours").pk
    hears = {who for who in Who if (key := sessions.get(who)) and ours in rights[key].organizations}
    assert {who: who in hears for who in Who} == HEARS


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("address", STAFF, ids=lambda address: address.name)
def test_only_staff_may_in_the_admin(world: World, address: Address, method: str) -> None:
    path, clients, before = address.path(world), world.clients(), everything()
    with undone():
        results: dict[Who, int | str] = {
            who: ask(client, method, path, None, world)
            for who, client in clients.items()
            if who != Who.SUPERUSER
        }
        assert address.name in ADMIN_OPEN or everything() == before
    with undone():
        results[Who.SUPERUSER] = ask(clients[Who.SUPERUSER], method, path, None, world)
    for who, result in results.items():
        if address.name in ADMIN_OPEN:
            assert result in {302, 403, 405, SIGN_IN, ADMIN_SIGN_IN}
        else:
            assert (result == ADMIN_SIGN_IN) == (who != Who.SUPERUSER), who
