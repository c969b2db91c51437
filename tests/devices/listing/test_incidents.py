"""Which devices in trouble are one line, and what is said of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest
from pytest_django import Settings

from dashboard.pages.attention.item import Item
from devices import clock, connectivity
from devices.listing.incidents import attended
from devices.models import VpnServer
from tests.devices.listing.incident import AT, NEW, OLD, SITE, A, everybody, found, lost_vpn, shown_of
from tests.factories import T0, make_device, make_fleet, seconds

pytestmark = pytest.mark.django_db


def said(at: datetime = AT) -> list[Item]:
    return shown_of(attended(everybody(), clock.moment(at)).page("attention", 50).rows, at)


def what(shown: list[Item]) -> list[str]:
    return [item.what.replace("\u00a0", " ").removeprefix("{devices} ") for item in shown]


def places(shown: list[Item]) -> list[str]:
    return [
        item.place.replace("{devices}", f"{item.number} of {item.total}")
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
B: dict[str, Any] = {"public_address": "203.0.113.8"}


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
    assert what(shown) == ["lost the VPN, since the server stopped reporting, and kept the heartbeat"]


@pytest.mark.parametrize(("number", "of"), [(2, ["2 of 2 on VPN server vpn-1"]), (1, ["tram"])])
def test_a_silent_vpn_server_explains_even_two_devices(number: int, of: list[str]) -> None:
    devices = [make_device(name="tram") for _ in range(number)]
    connectivity.vpn_alive("vpn-1", at=T0)
    connectivity.vpn_connected("vpn-1", [device.uuid for device in devices], T0)
    connectivity.record_heartbeats([device.pk for device in devices], T0 + seconds(30))
    shown = said(T0 + seconds(150))
    assert places(shown) == of
    assert "server stopped reporting" in what(shown)[0]
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


def test_the_words_of_the_site_are_used(settings: Settings) -> None:
    settings.VPN_WORD = "Cloudlink"
    fleet = make_fleet()
    for number in range(5):
        lost_vpn(fleet, number)
    assert what(said()) == ["lost the Cloudlink within 4 s and kept the heartbeat"]
