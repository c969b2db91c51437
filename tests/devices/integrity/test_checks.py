"""What is recorded follows from the facts, and whatever does not is found and named."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from devices import connectivity
from devices.integrity.checks import disagreements
from devices.models import Device
from tests.factories import T0, make_device, make_fleet, seconds

pytestmark = pytest.mark.django_db


@pytest.fixture
def device() -> Device:
    """It came, got late and lost, and came again; its VPN came."""
    device = make_device(make_fleet(poll_interval=10))
    for moment in (0, 100):
        connectivity.record_heartbeats([device.pk], T0 + seconds(moment))
    connectivity.vpn_connected("vpn-1", [device.uuid], T0 + seconds(101))
    return device


def test_nothing_disagrees_with_itself(device: Device) -> None:
    assert list(disagreements(T0 + seconds(102))) == []
    assert list(disagreements(T0 + seconds(1000))) == []
    said = StringIO()
    call_command("verify_status", stdout=said)
    assert said.getvalue() == "All records match the facts.\n"


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (
            "DELETE FROM devices_statuschange WHERE after = 'online'",
            {"the newest change of status"},
        ),
        (
            "DELETE FROM devices_statuschange WHERE after = 'offline'",
            {"the changes of status one after another"},
        ),
        ("DELETE FROM devices_connectivityrecord WHERE link = 'vpn'", set()),  # as after retention
        (
            "UPDATE devices_connectivityrecord SET at = at + interval '1 s' WHERE link = 'vpn'",
            {"the newest record of a link"},
        ),
        (
            "DELETE FROM devices_connectivityrecord WHERE after = 'late'",
            {"the records of a link one after another"},
        ),
        (
            "UPDATE devices_heartbeat SET due_at = lost_at",
            {"the heartbeat and its deadlines", "a record in the future"},
        ),
        (
            "UPDATE devices_vpnserver SET lease_until = '2026-01-01'",
            {"the lease of a VPN server"},
        ),
        (
            "UPDATE devices_fleetcount SET number = number + 1 WHERE status = 'online'",
            {"the counter of a fleet", "the count of a status"},
        ),
    ],
)
def test_damage_is_found_and_named(device: Device, damage: str, found: set[str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(damage)
    assert {each.what for each in disagreements(T0 + seconds(102))} == found


def test_the_command_fails_where_something_disagrees(device: Device) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE devices_heartbeat SET due_at = lost_at")
    said = StringIO()
    with pytest.raises(CommandError, match="disagreement"):
        call_command("verify_status", stdout=said)
    assert f"{device.uuid} has recent, should have late" in said.getvalue()
