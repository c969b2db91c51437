"""The order of names: as people expect it, alike in SQL and in Python, and found by an index."""

from __future__ import annotations

import re
from random import Random
from typing import Final

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from dashboard.pages.devices.page import listing
from devices import clock
from devices.listing.filters import Filters
from devices.models import Device
from fleets.models import Fleet, Role
from fleets.postgres import name_order
from fleets.postgres.name_order import NameKey
from tests.factories import make_device, make_fleet, make_member, make_organization
from tests.pages import fetch, names_in, rows_of

pytestmark = pytest.mark.django_db

IN_ORDER: Final = [
    *("-pump", "10", "2", "apple", "Äpfel", "ångström", "B-1", "b-10", "B-2", "eclair", "Éclair 2", "Pump1"),
    *("pump_1", "pumpe", "Pümpe", "Zebra", "Ωmega", "ωmega", "Яр", "ир", "漢"),
]


def test_the_key_is_the_same_in_sql_in_the_orm_and_in_python() -> None:
    fleet = make_fleet()
    for name in IN_ORDER:
        make_device(fleet, name=name)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT name, {name_order.sql('name')} FROM devices_device")  # noqa: S608 - ours
        by_sql = dict(cursor.fetchall())
    keys = dict(Device.objects.annotate(key=NameKey("name")).values_list("name", "key"))
    assert keys == {name: name_order.key(name) for name in IN_ORDER}
    assert by_sql == keys
    assert sorted(set(IN_ORDER), key=name_order.key) == IN_ORDER


def test_devices_fleets_members_and_files_are_in_this_order(client: Client) -> None:
    organization = make_organization()
    fleets = [
        make_fleet(organization, name=name, slug=f"f-{n}") for n, name in reversed(list(enumerate(IN_ORDER)))
    ]
    for name in reversed(IN_ORDER):
        make_device(fleets[0], name=name, release=name)
    client.force_login(make_member(organization, Role.OBSERVER))
    for sort in ("name", "release"):
        assert names_in(client.get(f"/devices/?sort={sort}")) == IN_ORDER
        rows = rows_of(fetch(client, f"/devices/devices.csv?sort=-{sort}"))
        assert [row["name"].lstrip("'") for row in rows] == IN_ORDER[::-1]
    assert [fleet.name for fleet in Fleet.objects.all()] == IN_ORDER
    html = client.get(f"{reverse('fleets:list')}?sort=name").content.decode()
    numbers = [int(number) for number in re.findall(r'href="/fleets/f-(\d+)/"', html)]
    assert list(dict.fromkeys(numbers)) == list(range(len(IN_ORDER)))


@pytest.mark.parametrize(
    ("sort", "of_fleet", "index"),
    [
        ("name", True, "device_fleet_by_name"),
        ("-name", False, "device_org_by_name"),
        ("release", False, "device_org_by_release"),
    ],
)
def test_a_list_by_name_or_release_follows_an_index(sort: str, of_fleet: bool, index: str) -> None:  # noqa: FBT001
    fleet = make_fleet()
    for name in IN_ORDER:
        make_device(fleet, name=name, release=name)
    filters = Filters(fleets=(fleet,) if of_fleet else ())
    first = listing([fleet.organization], filters, sort, 5, clock.moment())
    with CaptureQueriesContext(connection) as queries:
        listing([fleet.organization], filters, sort, 5, clock.moment(), after=first.next or "")
    (query,) = [each["sql"] for each in queries if " AS found ORDER BY" in each["sql"]]
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_sort = off")
        cursor.execute(f"EXPLAIN {query}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    condition = re.search(rf"using {index} on devices_device d.*\n\s+Index Cond: (.*)", plan)
    assert condition is not None, plan
    assert "NORMALIZE" in condition[1], plan


@pytest.mark.parametrize(
    "letters",
    [
        "\U0001d15e\U0001d15f\U0001d160\U0001d161\U0001d162\U0001d163\U0001d164",
        "\uac01\uac02\ud7a3",
        "\u1f82\u1fa2",
    ],
    ids=["12 bytes", "9 bytes", "8 bytes"],
)
def test_the_longest_name_fits_into_the_index(letters: str) -> None:
    """Letters apart from their marks are up to three times as many bytes as they are together."""
    name = "".join(Random(7).choices(letters, k=255))
    device = make_device(name=name, release=name)
    found = Device.objects.filter(pk=device.pk).values_list(NameKey("name"), flat=True)
    assert list(found) == [name_order.key(name)]
