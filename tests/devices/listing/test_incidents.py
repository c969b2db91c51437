"""Which devices in trouble are one line, and what is said of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest
from pytest_django import Settings

from dashboard.pages.attention import items as attention
from dashboard.pages.attention.items import Item, items
from devices import clock, connectivity
from devices.listing import incidents
from devices.listing import line_shares as shares
from devices.listing.grouping import Line
from devices.listing.incidents import Among, attended
from devices.models import Device, VpnServer
from devices.status.reading import moved_ids
from fleets.models import Fleet, Organization
from tests.factories import T0, make_device, make_fleet, seconds

pytestmark = pytest.mark.django_db

AT = T0 + seconds(3600)


def lost_vpn(fleet: Fleet, after: float, **fields: Any) -> Device:
    """A device that lost its VPN so many seconds after T0 and kept the heartbeat."""
    return make_device(
        fleet,
        vpn_changed_at=T0 + seconds(after),
        recorded_status_at=T0 + seconds(after),
        heartbeat_state="recent",
        heartbeat_changed_at=T0,
        **fields,
    )


def everybody() -> Among:
    return Among(list(Organization.objects.all()))


def found(size: int = 50) -> list[Line]:
    return list(attended(everybody(), clock.moment(AT)).page("attention", size).rows)


def said(at: datetime = AT) -> list[Item]:
    return shown_of(attended(everybody(), clock.moment(at)).page("attention", 50).rows, at)


def shown_of(some: list[Line], at: datetime = AT, oldest: datetime | None = None) -> list[Item]:
    known = clock.moment(at)
    return items(some, Device.objects.all(), known, moved_ids(known), oldest)


def what(shown: list[Item]) -> list[str]:
    return [item.what.replace("\u00a0", " ").removeprefix("{devices} ") for item in shown]


def places(shown: list[Item]) -> list[str]:
    return [
        item.place.replace("{devices}", f"{item.number} of {item.of}")
        if item.place
        else item.row.name
        if item.row
        else ""
        for item in shown
    ]


@dataclass(frozen=True)
class Case:
    """So many devices lost their VPN: seconds after T0, and what each of them has; what stands by, fine."""

    name: str
    lost: list[tuple[float, dict[str, Any]]]
    expected: list[str]
    fine: list[dict[str, Any]] = field(default_factory=list)


NOTHING: dict[str, Any] = {}
A: dict[str, Any] = {"public_address": "203.0.113.7"}
B: dict[str, Any] = {"public_address": "203.0.113.8"}
SITE: dict[str, Any] = {"tags": {"site": "harbour"}}
NEW, OLD = {"release": "2.0"}, {"release": "1.0"}


def several(
    number: int, has: dict[str, Any] = NOTHING, *, after: float = 0, every: float = 1
) -> list[tuple[float, dict[str, Any]]]:
    return [(after + every * each, has) for each in range(number)]


CASES = [
    Case("four are no group", several(4, A), ["device"] * 4),
    Case("five are", several(5, A), ["5 of 5 at 203.0.113.7"]),
    Case(
        "of all that share it",
        several(8, A),
        ["8 of 10 at 203.0.113.7"],
        [A] * 2,
    ),
    Case(
        "one alone stays beside them",
        [*several(6, A), (2, B)],
        ["6 of 6 at 203.0.113.7", "device"],
        [B] * 40,
    ),
    Case(
        "two addresses are two",
        [*several(5, A), *several(5, B)],
        ["5 of 5 at 203.0.113.7", "5 of 5 at 203.0.113.8"],
        [NOTHING] * 40,
    ),
    Case("a fleet lost as a whole", [*several(4, A), *several(4, B)], ["8 of 8 in kiosks"]),
    Case("what most of a part share", several(6), ["6 of 46 in kiosks"], [NOTHING] * 40),
    Case(
        "a release explains more than its fleet",
        several(6, NEW),
        ["6 of 6 with release 2.0 in kiosks"],
        [OLD] * 40,
    ),
    Case(
        "a tag explains more than its fleet",
        several(6, SITE),
        ["6 of 7 tagged site = harbour"],
        [SITE, *[NOTHING] * 40],
    ),
    Case(
        "an address explains more than a tag", several(6, A | SITE), ["6 of 6 at 203.0.113.7"], [NOTHING] * 40
    ),
    Case(
        "a tag explains what no address does",
        [*several(4, A | SITE), *several(4, B | SITE)],
        ["8 of 8 tagged site = harbour"],
        [NOTHING] * 40,
    ),
    Case(
        "an address explains more than a tag that many have",
        [*several(5, A | SITE), *several(5, B | SITE)],
        ["5 of 5 at 203.0.113.7", "5 of 5 at 203.0.113.8"],
        [SITE] * 40,
    ),
    Case("within five minutes", several(6, every=59), ["6 of 6 in kiosks"]),
    Case("no longer than five minutes", several(6, every=61), ["5 of 6 in kiosks", "device"]),
    Case(
        "at two times, two incidents",
        [*several(5, A), *several(6, A, after=1800)],
        ["6 of 11 at 203.0.113.7", "5 of 11 at 203.0.113.7"],
        [NOTHING] * 40,
    ),
    Case(
        "a straggler splits no incident",
        [(0, A), *several(8, A, after=295)],
        ["8 of 9 at 203.0.113.7", "device"],
        [NOTHING] * 40,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_devices_lost_together_that_share_something_are_one_line(case: Case) -> None:
    fleet = make_fleet(name="kiosks")
    for after, has in case.lost:
        lost_vpn(fleet, after, **{"name": "device", **has})
    for has in case.fine:
        make_device(fleet, **has)
    shown = said()
    assert Counter(places(shown)) == Counter(case.expected)
    assert sum(item.number for item in shown) == len(case.lost)


def test_a_silent_vpn_server_is_one_line_over_all_fleets() -> None:
    fleets = [make_fleet() for _ in range(3)]
    devices = [make_device(fleets[number % 3]) for number in range(15)]
    connectivity.vpn_alive("vpn-1", at=T0)
    connectivity.vpn_connected("vpn-1", [device.uuid for device in devices], T0)
    connectivity.record_heartbeats([device.pk for device in devices], T0 + seconds(30))
    shown = said(T0 + seconds(150))
    assert places(shown) == ["15 of 15 on VPN server vpn-1"]
    assert what(shown) == ["lost the VPN within 1 s and kept the heartbeat"]
    assert VpnServer.objects.get().due_at  # nobody has recorded it


def test_a_site_without_power_is_one_incident_however_its_devices_poll() -> None:
    fleet = make_fleet(name="kiosks")
    devices = [make_device(fleet) for _ in range(6)]
    connectivity.vpn_connected("vpn-1", [device.uuid for device in devices], T0)
    for number, device in enumerate(devices):  # 22 minutes until each is lost
        connectivity.record_heartbeats([device.pk], T0 + seconds(100 * number))
    connectivity.vpn_disconnected("vpn-1", [device.uuid for device in devices], T0 + seconds(600))
    for minutes, words in (
        (20, "lost the VPN within 1 s and kept the heartbeat"),
        (25, "lost the VPN within 1 s (2 are Offline, 4 kept the heartbeat)"),
        (60, "lost the VPN within 1 s and are Offline"),
    ):
        at = T0 + seconds(60 * minutes)
        (item,) = said(at)
        assert (item.number, what([item]), item.since) == (6, [words], T0 + seconds(600))


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (
            {"vpn_connected": True, "vpn_changed_at": T0, "heartbeat_state": "lost"},
            "lost the API heartbeat within 4 s and kept the VPN",
        ),
        (
            {"heartbeat_state": "lost", "vpn_enabled": False},
            "lost the API heartbeat within 4 s and are Offline",
        ),
        ({"heartbeat_state": "recent"}, "connected without VPN within 4 s"),
        (
            {"vpn_connected": True, "vpn_changed_at": T0, "heartbeat_state": "recent", "update_progress": 40},
            "stopped making progress within 4 s",
        ),
    ],
)
def test_a_line_says_what_was_lost(facts: dict[str, Any], words: str) -> None:
    fleet = make_fleet()
    for number in range(5):
        moment = T0 + seconds(number)
        make_device(
            fleet,
            recorded_status_at=moment,
            heartbeat_changed_at=moment,
            progress_changed_at=moment,
            **facts,
        )
    assert what(said()) == [words]


@pytest.mark.parametrize(
    ("every", "words"), [(0, "1 s"), (0.25, "1 s"), (22.5, "90 s"), (29.9, "2 min"), (59, "4 min")]
)
def test_a_line_says_within_how_long(every: float, words: str) -> None:
    fleet = make_fleet()
    for number in range(5):
        lost_vpn(fleet, number * every)
    assert what(said()) == [f"lost the VPN within {words} and kept the heartbeat"]


def test_the_worst_and_newest_come_first() -> None:
    fleet = make_fleet()
    old, new = (lost_vpn(fleet, after, name=name) for after, name in ((0, "old"), (900, "new")))
    offline = make_device(fleet, name="offline", vpn_changed_at=T0, recorded_status_at=T0)
    assert places(said()) == ["offline", "new", "old"]
    connectivity.record_heartbeats([offline.pk], AT - seconds(1))
    assert places(said()) == ["offline", "new", "old"]
    assert [item.since for item in said()][1:] == [new.vpn_changed_at, old.vpn_changed_at]


def test_there_are_no_lines_where_nobody_is_in_trouble_any_more() -> None:
    assert found() == []


def test_pages_lead_through_all_lines() -> None:
    fleet = make_fleet()
    for number in range(7):
        lost_vpn(fleet, 400 * number, name=f"device-{number}")
    pages, after = [], ""
    while True:
        page = attended(everybody(), clock.moment(AT)).page("attention", 3, after=after)
        pages.append([line.devices for line in page.rows])
        if page.next is None:
            break
        after = page.next
    assert [len(page) for page in pages] == [3, 3, 1]
    assert [ids for page in pages for ids in page] == [line.devices for line in found()]


def test_beyond_what_is_looked_at_a_group_is_counted_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = make_fleet(name="kiosks")
    for number in range(12):
        lost_vpn(fleet, number)
    monkeypatch.setattr(incidents, "LOOKED_AT", 6)
    shown = shown_of(found(), oldest=attended(everybody(), clock.moment(AT)).oldest)
    assert [item.said.split(" lost")[0] for item in shown] == ["12 of 12 devices in kiosks"]


@pytest.mark.parametrize(
    ("has", "place"),
    [(A, "at 203.0.113.7"), (SITE, "tagged site = harbour"), (NEW, "with release 2.0 in kiosks")],
)
def test_whatever_it_shares_a_group_is_counted_beyond_what_is_looked_at(
    monkeypatch: pytest.MonkeyPatch, has: dict[str, Any], place: str
) -> None:
    fleet = make_fleet(name="kiosks")
    for number in range(12):
        lost_vpn(fleet, number, **has)
    lost_vpn(fleet, 3, public_address="203.0.113.8")
    lost_vpn(fleet, -3600, **has)
    for _ in range(20):
        make_device(fleet, vpn_connected=True)
    monkeypatch.setattr(incidents, "LOOKED_AT", 6)
    shown = shown_of(found(), oldest=attended(everybody(), clock.moment(AT)).oldest)
    plain = [item.said.split(" lost")[0].replace("\u2068", "").replace("\u2069", "") for item in shown]
    assert plain == [f"12 of 13 devices {place}"]


def test_a_group_that_makes_no_progress_is_counted_beyond_what_is_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fleet = make_fleet(name="kiosks")
    stopped = {"vpn_connected": True, "heartbeat_state": "recent", "update_progress": 40}
    for number in range(12):
        make_device(fleet, **stopped, progress_changed_at=T0 + seconds(number))
    lost_vpn(fleet, 3)
    monkeypatch.setattr(incidents, "LOOKED_AT", 6)
    shown = shown_of(found(), oldest=attended(everybody(), clock.moment(AT)).oldest)
    assert "12 of 13 devices in kiosks" in [item.said.split(" stopped")[0] for item in shown]


def test_very_many_that_share_a_thing_are_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lost ones are, however many others there are at their address."""
    monkeypatch.setattr(attention, "MANY", 8)
    monkeypatch.setattr(shares, "MANY", 8)
    for number in range(10):
        lost_vpn(make_fleet(), number, public_address="203.0.113.7")
    shown = shown_of(found())
    assert [item.said.split(" lost")[0] for item in shown] == ["10 devices at 203.0.113.7"]


def test_the_words_of_the_site_are_used(settings: Settings) -> None:
    settings.VPN_WORD = "Cloudlink"
    fleet = make_fleet()
    for number in range(5):
        lost_vpn(fleet, number)
    assert what(said()) == ["lost the Cloudlink within 4 s and kept the heartbeat"]
