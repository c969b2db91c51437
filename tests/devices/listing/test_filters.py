"""What each filter of a list means."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from dashboard.templating.indicators import heartbeat, vpn
from devices import clock, connectivity
from devices.listing.filters import HEARTBEAT, VPN, Filters, Tag, matching
from devices.models import Device
from devices.operations import reports
from fleets.models import Fleet
from tests.factories import T0, make_device, make_fleet, make_organization, seconds

pytestmark = pytest.mark.django_db

# A fleet polls every 600 s: overdue after 660 s, late after 900 s, lost after 915 s.
POLLED = {"recent": 0, "overdue": 660, "late": 900, "lost": 915}


@pytest.fixture
def fleet() -> Fleet:
    return make_fleet(poll_interval=600)


def found(fleet: Fleet, at: datetime = T0, **filters: Any) -> set[str]:
    return {device.name for device in matching([fleet.organization], Filters(**filters), clock.moment(at))}


def test_nothing_asked_for_is_every_device_of_the_organizations_and_no_other(fleet: Fleet) -> None:
    make_device(fleet, name="a")
    make_device(name="foreign")
    assert found(fleet) == {"a"}
    assert not Filters().any
    assert not matching([], Filters(), clock.moment(T0)).exists()


@pytest.mark.parametrize("settled", [False, True])
def test_every_state_of_the_heartbeat_is_a_filter_from_its_first_instant_on(
    fleet: Fleet,
    settled: bool,  # noqa: FBT001  a parameter of pytest
) -> None:
    make_device(fleet, name="unknown")
    for name, age in POLLED.items():
        for suffix, more in (("", 0), ("-later", 1)):
            device = make_device(fleet, name=name + suffix)
            connectivity.record_heartbeats([device.pk], T0 - seconds(age + more))
    last = make_device(fleet, name="still-late")
    connectivity.record_heartbeats([last.pk], T0 - seconds(914.999999))
    if settled:
        connectivity.settle(T0)
    expected = {name: {name, f"{name}-later"} for name in POLLED} | {"unknown": {"unknown"}}
    expected["late"].add("still-late")
    assert {state: found(fleet, heartbeat=(state,)) for state in HEARTBEAT} == expected
    assert found(fleet, heartbeat=("lost", "unknown")) == expected["lost"] | expected["unknown"]


OFF = {"vpn_setting": False, "vpn_enabled": False}


def test_every_state_of_the_vpn_is_a_filter(fleet: Fleet) -> None:
    facts: dict[str, dict[str, Any]] = {
        "connected": {},
        "connected-though-off": OFF,
        "disconnected": {},
        "lease-ended": {},
        "never": {},
        "off": OFF,
        "off-again": OFF,
    }
    made = {name: make_device(fleet, name=name, **fields) for name, fields in facts.items()}
    connectivity.vpn_alive("vpn-2", at=T0 - seconds(70))
    for server, names, ago in [
        ("vpn-2", ["lease-ended"], 60),
        ("vpn-1", ["connected", "connected-though-off", "disconnected", "off-again"], 50),
    ]:
        connectivity.vpn_connected(server, [made[name].uuid for name in names], T0 - seconds(ago))
    gone = [made["disconnected"].uuid, made["off-again"].uuid]
    connectivity.vpn_disconnected("vpn-1", gone, T0 - seconds(40))
    expected = {
        "connected": {"connected", "connected-though-off"},
        "disconnected": {"disconnected", "lease-ended"},
        "never": {"never"},
        "off": {"off", "off-again"},
    }
    assert {state: found(fleet, vpn=(state,)) for state in VPN} == expected
    assert "lease-ended" in found(fleet, T0 - seconds(1), vpn=("connected",))
    connectivity.settle(T0)
    assert {state: found(fleet, vpn=(state,)) for state in VPN} == expected


def test_a_filter_by_link_names_what_the_icons_show(fleet: Fleet) -> None:
    for number, age in enumerate(POLLED.values()):
        device = make_device(fleet, vpn_enabled=bool(number % 2))
        connectivity.record_heartbeats([device.pk], T0 - seconds(age))
        if number < 3:
            connectivity.vpn_connected("vpn", [device.uuid], T0 - seconds(9))
    make_device(fleet)
    icons = {"disconnected": "lost", "never": "unknown"}
    for device in matching([fleet.organization], Filters(), clock.moment(T0)):
        shown = (vpn(device).state, heartbeat(device).state)
        asked = [
            (icons.get(up, up), beat)
            for up in VPN
            for beat in HEARTBEAT
            if device.name in found(fleet, vpn=(up,), heartbeat=(beat,))
        ]
        assert asked == [shown]


@pytest.mark.parametrize(
    ("tags", "names"),
    [
        ([Tag("site")], {"a", "b"}),
        ([Tag("site", "a")], {"a"}),
        ([Tag("site"), Tag("line")], {"b"}),
        ([Tag("site", has=False)], {"c", "bare"}),
        ([Tag("site", "a", has=False)], {"b", "c", "bare"}),
        ([Tag("line", "1")], {"b", "c"}),
        ([Tag("on", "true")], {"c"}),
        ([Tag("line", "1.0")], {"b"}),
        ([Tag("line", "NaN")], set()),
        ([Tag("line", "1e999")], set()),
        ([Tag("line", "[1]")], set()),
        ([Tag("nowhere")], set()),
        ([Tag("site", "")], set()),
    ],
)
def test_tags_are_had_or_not_or_have_a_value(fleet: Fleet, tags: list[Tag], names: set[str]) -> None:
    make_device(fleet, name="a", tags={"site": "a"})
    make_device(fleet, name="b", tags={"site": "b", "line": 1})
    make_device(fleet, name="c", tags={"line": "1", "on": True})
    make_device(fleet, name="bare")
    assert found(fleet, tags=tuple(tags)) == names


def test_the_last_contact_is_a_poll_a_report_or_a_vpn_connect(fleet: Fleet) -> None:
    hour, told = timedelta(hours=1), T0 - timedelta(hours=2)
    made = {name: make_device(fleet, name=name) for name in ("poll", "report", "connect", "never")}
    for device in made.values():
        if device.name != "never":
            connectivity.record_heartbeats([device.pk], told)
    assert found(fleet, silent=hour) == set(made)
    connectivity.record_heartbeats([made["poll"].pk], T0 - hour)
    assert found(fleet, silent=hour) == {"report", "connect", "never"}
    reports.apply_reports([(made["report"].pk, {"os_version": "1"})], T0 - hour)
    assert found(fleet, silent=hour) == {"connect", "never"}
    connectivity.vpn_connected("vpn", [made["connect"].uuid], T0 - hour)
    assert found(fleet, silent=hour) == {"never"}
    assert found(fleet, T0 + seconds(0.000001), silent=hour) == set(made)


def test_several_values_are_alternatives_and_several_filters_narrow(fleet: Fleet) -> None:
    other = make_fleet(fleet.organization)
    make_device(fleet, name="a", device_type="Pi", os_version="1", release="r1")
    make_device(fleet, name="b", device_type="NUC", os_version="1", release="r2")
    make_device(other, name="c", device_type="Pi", os_version="2", release="r1")
    assert found(fleet, types=("Pi",)) == {"a", "c"}
    assert found(fleet, types=("Pi", "NUC")) == {"a", "b", "c"}
    assert found(fleet, types=("Pi",), os_versions=("1",)) == {"a"}
    assert found(fleet, releases=("r1",), fleets=(other,)) == {"c"}
    assert found(fleet, fleets=(fleet, other), text="b") == {"b"}


def test_fleets_of_another_organization_show_nothing_of_theirs(fleet: Fleet) -> None:
    foreign = make_device(name="foreign")
    assert found(fleet, fleets=(foreign.fleet,)) == set()


def test_what_matches_is_annotated_for_whoever_shows_it() -> None:
    organization = make_organization()
    device = make_device(make_fleet(organization))
    (shown,) = matching([organization], Filters(), clock.moment(T0))
    assert (shown.pk, shown.status) == (device.pk, "post-provisioning")
    matched = matching([organization], Filters(), clock.moment(T0)).values("pk")
    assert Device.objects.filter(pk__in=matched).count() == 1
