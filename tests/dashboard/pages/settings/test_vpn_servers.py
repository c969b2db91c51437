"""The page of VPN servers: what each is, to whom it is shown."""

from __future__ import annotations

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from dashboard.pages.settings import vpn_server_rows
from devices import clock, connectivity
from devices.models import VpnServer
from fleets.models import Fleet, Organization
from tests.factories import make_device, make_fleet, seconds
from tests.pages import text_of

pytestmark = pytest.mark.django_db

# session, person, my organizations, fleets, clock, devices, servers
QUERIES = 7


def page(reader: Client, organization: Organization) -> str:
    return text_of(reader.get(f"/settings/{organization.slug}/vpn-servers/"))


def row(words: str, name: str) -> str:
    """What the page says of this server, up to the next one."""
    return words.partition(f" {name} ")[2].partition(" vpn-")[0]


@pytest.mark.parametrize("rows", [1, 30])
def test_each_server_with_its_signs_its_lease_its_devices_and_its_instances(
    reader: Client,
    organization: Organization,
    fleet: Fleet,
    rows: int,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    at = clock.now()
    for number in range(rows):
        device, name = make_device(fleet), f"vpn-{number}"
        for age, boot in ((90, "a"), (30, "b")):
            connectivity.vpn_alive(name, at=at - seconds(age), boot=boot, organization=organization)
        connectivity.vpn_connected(name, [device.uuid], at - seconds(20), organization=organization)
    with django_assert_num_queries(QUERIES):
        words = page(reader, organization)
    assert words.count("1 connected") == rows
    assert words.count("Instances 2 b") == rows
    assert "Lease until" in row(words, "vpn-0")
    assert "ago" in row(words, "vpn-0")


def test_a_server_that_stopped_reporting_says_whom_it_still_owns(
    reader: Client, organization: Organization, fleet: Fleet
) -> None:
    at = clock.now()
    device = make_device(fleet)
    connectivity.vpn_alive("vpn-1", [device.uuid], at - seconds(3660), boot="a", organization=organization)
    said = row(page(reader, organization), "vpn-1")  # nobody has recorded the end of its lease
    assert "Lease ended 1 h ago" in said
    assert "0 connected 1 more until it stopped reporting" in said


def test_a_server_that_never_sent_a_sign_has_no_lease(
    reader: Client, organization: Organization, fleet: Fleet
) -> None:
    device = make_device(fleet)
    at = clock.now() - seconds(7200)
    connectivity.vpn_connected("vpn-1", [device.uuid], at, organization=organization)
    said = row(page(reader, organization), "vpn-1")
    assert "Last life sign none last connect or disconnect 2 h ago" in said
    assert "Lease no lease It only reports connects and disconnects" in said
    assert "1 connected" in said


def test_a_server_of_the_site_is_shown_where_it_holds_devices_and_only_theirs_count(
    reader: Client, organization: Organization, fleet: Fleet
) -> None:
    other = make_fleet()
    uuids = [make_device(each).uuid for each in (fleet, other, other)]
    connectivity.vpn_connected("vpn-site", uuids, clock.now())
    connectivity.vpn_connected("vpn-theirs", [], clock.now(), organization=other.organization)
    connectivity.vpn_connected("vpn-1", [], clock.now(), organization=other.organization)
    connectivity.vpn_connected("vpn-1", [], clock.now(), organization=organization)
    connectivity.vpn_connected("vpn-idle", [], clock.now())
    words = page(reader, organization)
    assert "shared by the whole site" in row(words, "vpn-site")
    assert "1 connected" in row(words, "vpn-site")
    assert words.count("vpn-1 ") == 1
    assert "vpn-theirs" not in words
    assert "vpn-idle" not in words


def test_those_with_devices_come_first_and_a_page_has_an_end(
    organization: Organization, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = clock.now()
    connectivity.vpn_connected(
        "vpn-3", [make_device(fleet).uuid], at - seconds(60), organization=organization
    )
    for name, age in (("vpn-1", 30), ("vpn-2", 20), ("vpn-4", 40)):
        connectivity.vpn_alive(name, at=at - seconds(age), organization=organization)
    monkeypatch.setattr(vpn_server_rows, "SHOWN", 3)
    rows, number = vpn_server_rows.listed(organization, clock.moment(at))
    assert ([each.name for each in rows], number) == (["vpn-3", "vpn-2", "vpn-1"], 4)


def test_no_servers_yet(reader: Client, organization: Organization) -> None:
    words = page(reader, organization)
    assert "No VPN servers yet" in words
    assert "client-connect" in words
    assert not VpnServer.objects.exists()
