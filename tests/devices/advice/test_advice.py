"""What works now and what to check next (help.md): from the live links, answered where the server can."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries, Settings

from devices import clock, connectivity
from devices.advice import STEPS, check_next, doubt, works_now
from devices.models import Device
from devices.operations import lifecycle
from devices.rules.vocabulary import Status
from devices.status.explanation import explain
from devices.status.reading import with_status
from tests.factories import T0, make_device, make_fleet, make_organization, seconds
from tests.mirrors import mirror

pytestmark = pytest.mark.django_db


def read(device: Device, elapsed: float = 1) -> Any:
    found = with_status(Device.objects.filter(pk=device.pk), T0 + seconds(elapsed))
    return found.select_related("fleet", "organization", "mirrored__source").get()


def abilities(device: Any) -> dict[str, bool | None]:
    return {ability.name: ability.works for ability in works_now(device, T0)}


@pytest.mark.parametrize(
    ("polled", "tunnel", "works"),
    [
        (True, True, [True, True, True, True]),
        (True, False, [False, False, True, True]),
        (False, True, [True, False, False, True]),
    ],
)
def test_what_works_follows_the_links_not_the_badge(
    settings: Settings, *, polled: bool, tunnel: bool, works: list[bool]
) -> None:
    settings.VPN_TUNNELS = True
    device = make_device()
    if polled:
        connectivity.record_heartbeats([device.pk], T0)
    if tunnel:
        connectivity.vpn_connected("vpn-1", [device.uuid], T0)
    assert list(abilities(read(device)).values()) == works


@pytest.mark.parametrize(
    ("setting", "mirrored", "works"), [(False, False, None), (True, False, True), (False, True, True)]
)
def test_ssh_works_where_a_tunnel_service_is_known(
    settings: Settings, *, setting: bool, mirrored: bool, works: bool | None
) -> None:
    settings.VPN_TUNNELS = setting
    device = make_device()
    if mirrored:
        mirror(device)
    connectivity.record_heartbeats([device.pk], T0)
    assert abilities(read(device))["SSH and terminal"] is False  # it has no VPN
    connectivity.vpn_connected("vpn-1", [device.uuid], T0)
    now = abilities(read(device))
    assert (now["SSH and terminal"], now["Reboot, restart, shutdown"]) == (works, works)
    assert now["New releases and settings"] is True


def test_what_runs_on_a_device_without_any_link_nobody_can_tell() -> None:
    device = make_device()
    connectivity.record_heartbeats([device.pk], T0)
    lost = read(device, elapsed=86400)
    assert list(abilities(lost).values()) == [False, False, False, None]
    assert list(abilities(read(make_device())).values()) == [False, False, False, False]  # it has not started


def test_a_frozen_device_gets_no_releases_though_its_links_are_up(settings: Settings) -> None:
    settings.VPN_TUNNELS = True
    device = make_device(frozen_reason="unpaid")
    connectivity.record_heartbeats([device.pk], T0)
    connectivity.vpn_connected("vpn-1", [device.uuid], T0)
    now = abilities(read(device))
    assert (now["SSH and terminal"], now["New releases and settings"]) == (True, False)


def test_every_status_but_online_names_a_step() -> None:
    assert [status for status in Status if not STEPS[status]] == [Status.ONLINE]


@pytest.mark.parametrize(
    ("organization", "fleet_type", "answer"),
    [
        ({"unpaid": True}, "standard", "Halden has unpaid invoices. Once they are paid"),
        ({}, "paid", "depot has a paid type, and Halden has the free plan."),
        (
            {"allowance": 1},
            "standard",
            "number 3 in the queue, and the allowance of Halden is 1",
        ),
        (
            {"allowance": 1},
            "standard",
            "2 devices before it are deactivated or deleted, or once the allowance is 3",
        ),
        ({"allowance": 2}, "standard", "once 1 device before it is deactivated or deleted"),
    ],
)
def test_a_frozen_device_says_why_and_what_frees_it(
    organization: dict[str, Any], fleet_type: str, answer: str
) -> None:
    fleet = make_fleet(make_organization("Halden", **organization), name="depot", type=fleet_type)
    for number in range(3):
        device = lifecycle.register(fleet=fleet, at=T0 - seconds(9 - number))
    assert answer in answers(read(device))["Why is it frozen, and what thaws it?"]


def answers(device: Any) -> dict[str, str]:
    return {check.title: check.text for check in check_next(device, clock.moment(T0)) if check.answered}


def test_the_server_says_whether_the_neighbours_dropped_too() -> None:
    fleet = make_fleet(poll_interval=10)
    fallen = [make_device(fleet, public_address="203.0.113.7") for _ in range(3)]
    up = make_device(fleet, public_address="203.0.113.7")
    connectivity.record_heartbeats([device.pk for device in fallen], T0)
    connectivity.record_heartbeats([up.pk], T0 + seconds(25))
    connectivity.vpn_connected("vpn-1", [up.uuid], T0)
    at = clock.moment(T0 + seconds(31))
    connectivity.settle(at)
    device = with_status(Device.objects.filter(pk=fallen[0].pk), at).get()
    said = {check.title: check.text for check in check_next(device, at) if check.answered}
    assert said == {
        "Did others drop with it?": "Yes, 2 other devices in its fleet did, within a minute.",
        "Do others at its address work?": "1 of 3 other devices at 203.0.113.7 have both links.",
    }


def test_the_server_says_whether_the_progress_moves() -> None:
    device = make_device(update_progress=40, progress_changed_at=T0)
    connectivity.record_heartbeats([device.pk], T0)
    assert answers(read(device)) == {"Is the progress moving?": "Yes, the last step was at 12:00:00."}
    connectivity.record_heartbeats([device.pk], T0 + seconds(1790))
    assert answers(read(device, 1800)) == {"Is the progress moving?": "No, the last step was at 12:00:00."}


@pytest.mark.parametrize(("wanted", "answer"), [(True, "No"), (False, "Yes")])
def test_the_server_says_whether_the_vpn_is_off_on_purpose(*, wanted: bool, answer: str) -> None:
    device = make_device(vpn_enabled=wanted)
    connectivity.record_heartbeats([device.pk], T0)
    late = read(device, 1350)  # late, so Heartbeat Only with the VPN off on purpose too
    assert late.status == Status.HEARTBEAT_ONLY
    assert answers(late)["Is the VPN off on purpose?"].startswith(answer)


def test_a_vpn_that_is_not_used_yet_is_named_so() -> None:
    device = make_device(make_fleet(vpn_enabled=None))
    connectivity.record_heartbeats([device.pk], T0)
    said = "It is not used yet. No VPN server has connected a device of its fleet."
    assert answers(read(device, 1350))["Is the VPN off on purpose?"] == said
    why = explain(device, T0 + seconds(1))
    assert why.because.startswith("It contacts the API as expected, and it does not use the VPN yet.")
    assert [each.value for each in why.inputs if each.name == "VPN"] == ["VPN not used yet"]


def test_doubt_is_said_where_a_device_may_be_off_unnoticed() -> None:
    device = make_device()
    assert doubt(read(device), T0) == ""
    connectivity.record_heartbeats([device.pk], T0)
    assert doubt(read(device), T0) == "The last contact was at 12:00:00. It may have been off since then."
    assert doubt(read(device, 1365), T0) == ""


@pytest.mark.parametrize("neighbours", [1, 30])
def test_the_checks_ask_at_most_twice(
    neighbours: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    fleet = make_fleet()
    device = make_device(fleet, public_address="203.0.113.7")
    connectivity.record_heartbeats([device.pk], T0)
    for _ in range(neighbours):
        make_device(fleet, public_address="203.0.113.7")
    now, at = read(device, 1365), clock.moment(T0 + seconds(1365))
    with django_assert_num_queries(2):
        check_next(now, at)
