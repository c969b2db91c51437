"""What the menu of types and versions suggests: what occurs, at a cost that no number of devices raises."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from devices.listing import suggestions
from devices.models import Device
from fleets.models import Fleet, Organization
from tests.factories import make_device, make_fleet, make_organization, make_uuid
from tests.pages import html_of

pytestmark = pytest.mark.django_db

ADDRESS = "/devices/occurring/"


def suggested(client: Client, query: str = "") -> dict[str, list[str]]:
    """The values of each list by the id that a field of the menu names."""
    html = html_of(client.get(f"{ADDRESS}{query}"))
    lists = re.findall(r'<datalist id="([^"]+)">(.*?)</datalist>', html)
    return {name: re.findall(r'value="([^"]*)"', options) for name, options in lists}


def test_each_value_that_occurs_is_suggested_once_and_in_order(reader: Client, fleet: Fleet) -> None:
    for device_type, os_version, release in (("pi4", "12", ""), ("nuc", "12", "2.0"), ("pi4", "11", "1 & 2")):
        make_device(fleet, device_type=device_type, os_version=os_version, release=release)
    make_device(fleet)
    assert suggested(reader) == {
        "occurring-type": ["nuc", "pi4"],
        "occurring-os": ["11", "12"],
        "occurring-release": ["1 &amp; 2", "2.0"],
    }
    page = reader.get("/devices/").content.decode()
    assert all(f'list="{name}"' in page for name in suggested(reader))
    assert "<datalist" not in page


def test_only_the_organizations_of_the_page_are_looked_at(
    reader: Client, fleet: Fleet, organization: Organization
) -> None:
    other = make_organization()
    other.memberships.create(user=organization.memberships.get().user, role="observer")
    theirs, far = make_fleet(other), make_fleet(make_organization())
    for place, device_type in ((fleet, "a"), (theirs, "a"), (theirs, "b"), (far, "c")):
        make_device(place, device_type=device_type)
    assert suggested(reader)["occurring-type"] == ["a", "b"]
    assert suggested(reader, f"?org={organization.slug}")["occurring-type"] == ["a"]
    assert suggested(reader, f"?org={other.slug}")["occurring-type"] == ["a", "b"]


def test_no_more_are_suggested_than_a_person_looks_through(
    reader: Client, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suggestions, "MOST", 2)
    for device_type in "dcba":
        make_device(fleet, device_type=device_type)
    assert suggested(reader)["occurring-type"] == ["a", "b"]


def scans(plan: Any) -> Iterator[tuple[str, int]]:
    """Each reading of descriptions in a plan that was run: its index, and how many rows it read in all."""
    if plan.get("Relation Name") == "devices_description":
        read = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
        yield plan.get("Index Name", "none"), round(read * plan["Actual Loops"])
    for part in plan.get("Plans", []):
        yield from scans(part)


def test_a_row_is_read_for_each_value_and_not_for_each_device(
    reader: Client, organization: Organization, fleet: Fleet
) -> None:
    Device.objects.bulk_create(
        Device(
            fleet=fleet,
            uuid=make_uuid(),
            device_type=f"type {number % 3}",
            os_version=f"os {number % 4}",
            release=f"release {number % 5}",
        )
        for number in range(3000)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE devices_description")
    with CaptureQueriesContext(connection) as queries:
        suggestions.suggestions([organization])
    read: list[tuple[str, int]] = []
    for query in list(queries):
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {query['sql']}")
            plan = cursor.fetchone()[0]
        read += scans((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"])
    assert [index for index, _ in read] == [
        "description_type",
        "description_os_version",
        "description_release",
    ]
    # Up to version 17 a plan rounds the rows of a reading: the last one, which finds none, counts too.
    assert all(number in {values, values + 1} for (_, number), values in zip(read, (3, 4, 5), strict=True))
