"""Process lives of VPN servers are forgotten once they have no device and said nothing for 30 days."""

from __future__ import annotations

import pytest

from dashboard.management.commands.settle import Command
from devices import clock, connectivity
from devices.connectivity import vpn_leases
from devices.models import Device, VpnServer
from fleets.models import Organization
from tests.at_once import WAIT, held_open, in_background
from tests.devices.connectivity.facts import at, link
from tests.factories import make_device

DAY = 24 * 3600
MONTH = 30 * DAY


def names() -> set[str]:
    return set(VpnServer.objects.values_list("name", flat=True))


@pytest.mark.django_db
def test_who_has_no_device_and_said_nothing_for_30_days_is_forgotten() -> None:
    owned, left = make_device(), make_device()
    connectivity.vpn_alive("silent", at=at(0), boot="a")
    connectivity.vpn_alive("owner", at=at(0), boot="a")
    connectivity.vpn_connected("owner", [owned.uuid], at(0))
    connectivity.vpn_connected("only-events", [left.uuid], at(0))
    connectivity.vpn_alive("signed", at=at(1), boot="a")
    connectivity.vpn_alive("told", at=at(0), boot="a")
    connectivity.vpn_disconnected("told", [], at(1))
    connectivity.settle(at(100))
    assert vpn_leases.forget(at(MONTH - 1)) == 0
    assert vpn_leases.forget(at(MONTH)) == 1
    assert names() == {"owner", "only-events", "signed", "told"}
    assert vpn_leases.forget(at(MONTH + 1)) == 2
    assert names() == {"owner", "only-events"}
    connectivity.vpn_disconnected("only-events", [left.uuid], at(MONTH))
    assert vpn_leases.forget(at(2 * MONTH - 1)) == 0
    assert vpn_leases.forget(at(2 * MONTH)) == 1
    assert (names(), link(owned)[2]) == ({"owner"}, "owner")


@pytest.mark.django_db
def test_former_instances_of_a_living_server_are_forgotten() -> None:
    for number, boot in enumerate("abc"):
        connectivity.vpn_alive("vpn-1", at=at(number * 20 * DAY), boot=boot)
    assert vpn_leases.forget(at(40 * DAY)) == 1
    assert [*VpnServer.objects.order_by("pk").values_list("boot", flat=True)] == ["b", "c"]


@pytest.mark.django_db
def test_the_daily_chores_forget_them() -> None:
    connectivity.vpn_alive("vpn-1", at=at(0))
    Command().clean(clock.moment(at(MONTH)))
    assert names() == set()


@pytest.mark.django_db(transaction=True)
def test_one_that_speaks_while_it_is_forgotten_is_there() -> None:
    """Whichever comes first, the device is connected to it, and nothing fails."""
    device = make_device()
    connectivity.vpn_alive("vpn-1", at=at(0), boot="a")

    def speak() -> int:
        return connectivity.vpn_connected("vpn-1", [device.uuid], at(MONTH))

    with held_open(speak):
        assert vpn_leases.forget(at(MONTH)) == 0
    assert link(device)[2] == "vpn-1"
    Device.objects.update(vpn_server=None, vpn_connected=False, is_active=False)
    VpnServer.objects.update(last_event_at=None)

    # It waits for the organization, since its contact activates, and meanwhile its server is forgotten.
    def hold() -> None:
        Organization.objects.select_for_update().get(pk=device.organization_id)

    with held_open(hold):
        speaker = in_background(speak)
        assert vpn_leases.forget(at(MONTH)) == 1
    speaker.join(WAIT)
    assert (link(device)[2], names()) == ("vpn-1", {"vpn-1"})
