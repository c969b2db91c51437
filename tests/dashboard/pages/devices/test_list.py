"""The Devices page, of all fleets and of one."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client

from devices import clock, connectivity
from devices.models import Device
from devices.rules.vocabulary import Status
from fleets.models import Fleet, Organization
from tests.factories import make_device, make_fleet
from tests.pages import html_of, make_every_status, names_in, text_of, uuids_in

pytestmark = pytest.mark.django_db


def counts_on(text: str) -> dict[str, int]:
    """The facet counts a page shows."""
    return {status.value: int(text.split(f" {status.label} ")[1].split(maxsplit=1)[0]) for status in Status}


def test_a_vpn_that_is_not_used_yet_is_named_so_and_how_it_comes(reader: Client, fleet: Fleet) -> None:
    how = "The VPN counts for all of them from the moment a VPN server first reports"
    Fleet.objects.update(vpn_enabled=None)
    fleet.refresh_from_db()
    device = make_device(fleet)
    connectivity.record_heartbeats([device.pk])
    page = reader.get("/fleets/kiosks/")
    assert "VPN not used yet No VPN server has connected a device of its fleet yet" in text_of(page)
    assert how in text_of(page)
    summary = text_of(reader.get(f"/devices/{device.uuid}/"))
    assert "VPN not used yet" in summary
    assert "VPN used Not yet (fleet setting)" in summary
    connectivity.vpn_connected("vpn-1", [device.uuid])
    assert how not in text_of(reader.get("/fleets/kiosks/"))


def test_a_device_is_shown_with_what_it_says(reader: Client, fleet: Fleet) -> None:
    device = make_device(
        fleet,
        name="kiosk-1",
        os_version="Debian 12.8",
        release="1.0",
        tags={"site": "a"},
        ip_addresses=["10.0.0.7"],
    )
    connectivity.record_heartbeats([device.pk])
    words = text_of(reader.get("/devices/"))
    for said in (
        "kiosk-1",
        device.uuid[:7],
        "kiosks",
        "Online (Heartbeat Only)",
        "Debian 12.8",
        "1.0",
        "10.0.0.7",
    ):
        assert said in words
    assert "site = a" in words
    assert "VPN never seen" in words
    assert "API on time" in words


def test_every_facet_counts_the_list_behind_it(reader: Client, fleet: Fleet) -> None:
    make_every_status(fleet)
    make_device(fleet, name="another")
    page = reader.get("/devices/")
    counts = counts_on(text_of(page))
    assert sum(counts.values()) == len(names_in(page)) == 10
    for slug, number in counts.items():
        assert len(names_in(reader.get(f"/devices/?status={slug}"))) == number > 0


def test_facets_count_under_the_other_filters(
    reader: Client, fleet: Fleet, organization: Organization
) -> None:
    make_every_status(fleet)
    other = make_fleet(organization)
    make_every_status(other)
    assert set(counts_on(text_of(reader.get("/devices/"))).values()) == {2}
    for address in ("/fleets/kiosks/?status=offline", "/devices/?fleet=kiosks&status=offline"):
        page = reader.get(address)
        assert set(counts_on(text_of(page)).values()) == {1}
        assert names_in(page) == ["a-offline"]
    found = reader.get("/devices/?q=a-offline&status=online")
    assert counts_on(text_of(found))["offline"] == 2
    assert names_in(found) == []


def test_several_statuses_and_fleets_add_up(reader: Client, fleet: Fleet, organization: Organization) -> None:
    make_every_status(fleet)
    other, third = make_fleet(organization), make_fleet(organization)
    make_device(other, name="b")
    make_device(third, name="c")
    page = reader.get("/devices/?status=offline&status=frozen&sort=name")
    assert names_in(page) == ["a-frozen", "a-offline"]
    page = reader.get(f"/devices/?fleet={other.slug}&fleet={third.slug}&sort=name")
    assert names_in(page) == ["b", "c"]


def test_those_needing_attention_come_first(reader: Client, fleet: Fleet) -> None:
    made = make_every_status(fleet)
    Device.objects.filter(pk=made["updating"].pk).update(
        progress_changed_at=clock.now() - timedelta(minutes=41)
    )
    page = reader.get("/devices/")
    order = ["offline", "heartbeat-only", "vpn-only", "updating", "configuring", "post-provisioning"]
    assert names_in(page) == [f"a-{slug}" for slug in [*order, "online", "inactive", "frozen"]]
    assert "No progress for 41 min" in text_of(page)


@pytest.mark.parametrize(
    "sort", ["attention", "-attention", "name", "-name", "contact", "-contact", "release", "-release"]
)
def test_pages_follow_one_another_in_every_order(reader: Client, fleet: Fleet, sort: str) -> None:
    moment = clock.now() - timedelta(minutes=1)
    devices = [make_device(fleet, name=f"d-{n % 17:02}", release=f"{n % 5}.0") for n in range(60)]
    connectivity.record_heartbeats([device.pk for device in devices[::3]], moment)
    seen: list[str] = []
    path: str | None = f"/devices/?sort={sort}"
    pages = []
    while path:
        page = reader.get(path)
        pages.append(path)
        seen += uuids_in(page).split(",")
        path = link(page.content.decode(), "next")
    assert len(pages) == 3
    assert sorted(seen) == sorted(device.uuid for device in devices)
    turned = reader.get(
        f"/devices/?sort={sort.removeprefix('-') if sort.startswith('-') else '-' + sort}&per_page=100"
    )
    assert uuids_in(turned).split(",") == seen[::-1]
    back = link(reader.get(pages[2]).content.decode(), "prev")
    assert back
    assert uuids_in(reader.get(back)).split(",") == seen[25:50]


def link(html: str, rel: str) -> str | None:
    """The address of the next or previous page, if there is one."""
    _, found, after = html.partition(f'rel="{rel}" href="')
    return "/devices/" + after.split('"')[0].replace("&amp;", "&") if found else None


def test_a_page_past_the_end_is_the_last_one(reader: Client, fleet: Fleet) -> None:
    devices = [make_device(fleet, name=f"d-{n:02}") for n in range(30)]
    path = link(reader.get("/devices/?sort=name").content.decode(), "next")
    assert path
    Device.objects.filter(pk__in=[device.pk for device in devices[20:]]).delete()
    page = reader.get(path)
    assert names_in(page) == [f"d-{n:02}" for n in range(20)]
    assert "This is its last page" in text_of(page)


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "%00",
        "W10",
        "WyJhIiwgIngiXQ",
        "WyJcdWQ4MDAiLCAxXQ",
        "WyJhXHUwMDAwIiwgMV0",
        "WzEsIDk5OTk5OTk5OTk5OTk5OTk5OTk5OTld",
    ],
)
def test_an_unreadable_cursor_begins_at_the_top_and_says_so(
    reader: Client, fleet: Fleet, cursor: str
) -> None:
    make_device(fleet, name="d")
    for way in ("after", "before"):
        page = reader.get(f"/devices/?sort=name&{way}={cursor}")
        assert page.status_code == 200
        assert names_in(page) == ["d"]
        assert "starts at the top" in text_of(page)


@pytest.mark.parametrize(
    ("query", "notice"),
    [
        ("status=great", "There is no status “great”"),
        ("status=Online", "There is no status “Online”"),
        ("fleet=elsewhere", "There is no fleet “elsewhere” here"),
        ("sort=luck", "There is no sort order “luck”"),
        ("per_page=1000000", "“1000000” is not a page size. Known sizes: 25, 50, 100."),
        ("vpn=up", "There is no VPN state “up”"),
        ("heartbeat=weak", "There is no heartbeat state “weak”"),
        ("tag==x", "“=x” is not a tag"),
        ("no-tag==", "“=” is not a tag"),
        ("silent=long", "“long” is no span of silence"),
        ("silent=0m", "“0m” is no span of silence"),
        ("silent=999999d", "“999999d” is no span of silence"),
        ("&".join(f"vpn={n}" for n in range(60)), "Only the first 50 values of “vpn” are used"),
    ],
)
def test_what_is_unknown_is_left_out_with_a_notice(
    reader: Client, fleet: Fleet, query: str, notice: str
) -> None:
    make_device(fleet, name="d")
    page = reader.get(f"/devices/?{query}&status=post-provisioning")
    assert names_in(page) == ["d"]
    assert notice in text_of(page)


def test_every_filter_is_an_address_of_its_own(reader: Client, fleet: Fleet) -> None:
    made = make_every_status(fleet)
    Device.objects.filter(pk=made["frozen"].pk).update(
        tags={"site": "a", "line": 1}, device_type="Pi 5", os_version="6.1", release="2.0", vpn_enabled=False
    )
    connected = ["a-online", "a-updating", "a-vpn-only"]
    for query, found in {
        "vpn=connected": connected,
        "vpn=off": ["a-frozen"],
        "vpn=off&vpn=connected": ["a-frozen", *connected],
        "heartbeat=lost": ["a-offline"],
        "heartbeat=recent&vpn=never": ["a-configuring", "a-heartbeat-only"],
        "tag=site": ["a-frozen"],
        "tag=site=a&tag=line=1": ["a-frozen"],
        "tag=site=b": [],
        "no-tag=site&vpn=connected&status=online": ["a-online"],
        "type=Pi+5": ["a-frozen"],
        "os=6.1&os=6.2": ["a-frozen"],
        "release=2.0&release=1.0": ["a-frozen"],
        "silent=1h&heartbeat=lost": ["a-offline"],
        "silent=1d&vpn=connected": [],
        "q=a-off": ["a-offline"],
        f"q={made['offline'].uuid[-30:]}": [],
    }.items():
        page = reader.get(f"/fleets/kiosks/?sort=name&{query}")
        assert names_in(page) == found, query
        words = text_of(page)
        assert sum(counts_on(words).values()) == len(found) or "status=" in query, query
        assert ("No devices match these filters" in words) == (not found), query


def test_what_is_in_force_is_shown_and_each_can_be_removed(reader: Client, fleet: Fleet) -> None:
    make_device(fleet)
    page = reader.get(
        "/devices/?fleet=kiosks&vpn=never&heartbeat=overdue&tag=site%3Da&no-tag=x&type=Pi"
        "&os=6.1&os=6.2&release=2.0&silent=7d&status=offline&q=zebra&sort=name"
    )
    html = html_of(page)
    for words, rest in {
        "Fleet: kiosks": "vpn=never",
        "VPN never seen": "fleet=kiosks",
        "API overdue": "fleet=kiosks",
        "tag site = a": "fleet=kiosks",
        "not tag x": "fleet=kiosks",
        "Type Pi": "fleet=kiosks",
        "OS 6.1": "os=6.2",
        "OS 6.2": "os=6.1",
        "Release 2.0": "fleet=kiosks",
        "Silent for more than 7\u00a0d": "fleet=kiosks",
    }.items():
        token = html.split(f'<li class="token"><bdi>{words}</bdi><a href="')[1].split('"')[0]
        assert rest in token, words
        assert "sort=name" in token, words
    assert '<a class="btn" href="?sort=name">Clear filters</a>' in html
    assert '<input type="hidden" name="os" value="6.1">' in html
    assert '<input type="hidden" name="sort" value="name">' in html


def test_a_fleet_beyond_the_menu_is_named_by_its_slug(reader: Client, organization: Organization) -> None:
    fleets = [make_fleet(organization, name=f"fleet {n:03}") for n in range(23)]
    make_device(fleets[22], name="d")
    page = reader.get(f"/devices/?fleet={fleets[22].slug}")
    assert names_in(page) == ["d"]
    html = html_of(page)
    assert f'id="fleet-{fleets[22].slug}" name="fleet" value="{fleets[22].slug}" checked' in html
    assert f'id="fleet-{fleets[19].slug}"' in html
    assert f'id="fleet-{fleets[20].slug}"' not in html
    assert "Another fleet, as its address names it" in text_of(page)
