"""What VPN servers tell of connects and disconnects, and whom they reach."""

from __future__ import annotations

import pytest

from devices import connectivity
from devices.connectivity.vpn import unknown_uuids
from devices.models import VpnServer
from tests.devices.connectivity.facts import at, link, records
from tests.factories import make_device, make_fleet

pytestmark = pytest.mark.django_db


def test_a_connect_owns_and_is_contact() -> None:
    device = make_device(is_active=False, activated_at=None)
    assert connectivity.vpn_connected("vpn-1", [device.uuid], at(5)) == 1
    assert link(device) == (True, at(5), "vpn-1")
    assert (device.is_active, device.last_contact_at) == (True, at(5))


def test_repeating_an_event_changes_nothing() -> None:
    device = make_device()
    assert connectivity.vpn_connected("vpn-1", [device.uuid], at(0)) == 1
    assert connectivity.vpn_connected("vpn-1", [device.uuid] * 2, at(1)) == 0
    assert link(device) == (True, at(0), "vpn-1")
    assert connectivity.vpn_disconnected("vpn-1", [device.uuid], at(2)) == 1
    assert connectivity.vpn_disconnected("vpn-1", [device.uuid], at(3)) == 0
    assert link(device) == (False, at(2), None)
    assert len(records(device)) == 2


def test_a_late_disconnect_of_a_former_owner_changes_nothing() -> None:
    device = make_device()
    connectivity.vpn_connected("vpn-1", [device.uuid], at(0))
    assert connectivity.vpn_connected("vpn-2", [device.uuid], at(10)) == 1
    assert connectivity.vpn_disconnected("vpn-1", [device.uuid], at(11)) == 0
    assert link(device) == (True, at(0), "vpn-2")  # it roamed: connected all along
    assert len(records(device)) == 1


@pytest.mark.parametrize(
    ("session", "changed"), [("old", 0), ("new", 1), ("", 1)], ids=["former", "current", "unnamed"]
)
def test_a_named_session_disconnects_only_itself(session: str, changed: int) -> None:
    device = make_device()
    for number, name in enumerate(["old", "new"]):
        connectivity.vpn_connected("vpn-1", [device.uuid], at(number), sessions={device.uuid: name})
    ended = connectivity.vpn_disconnected("vpn-1", [device.uuid], at(5), sessions={device.uuid: session})
    assert (ended, link(device)[0]) == (changed, not changed)


def test_since_never_goes_back() -> None:
    device = make_device()
    connectivity.vpn_connected("vpn-1", [device.uuid], at(10))
    connectivity.vpn_disconnected("vpn-1", [device.uuid], at(4))
    assert link(device) == (False, at(10), None)


def test_two_organizations_and_the_site_may_call_a_server_the_same() -> None:
    """What each says of its own server touches no device of another one's."""
    fleets = make_fleet(), make_fleet()
    here, there = (make_device(fleet) for fleet in fleets)
    of_site = make_device(fleets[0])
    for device, owner in ((here, fleets[0].organization), (there, fleets[1].organization), (of_site, None)):
        connectivity.vpn_alive("vpn-1", at=at(0), boot="a", organization=owner)
        connectivity.vpn_connected("vpn-1", [device.uuid], at(0), organization=owner)
    ours = fleets[0].organization
    everybody = [here.uuid, there.uuid, of_site.uuid]
    assert connectivity.vpn_alive("vpn-1", [], at(31), boot="a", organization=ours) == 1
    assert [link(device)[0] for device in (here, there, of_site)] == [False, True, True]
    assert connectivity.vpn_disconnected("vpn-1", everybody, at(32), organization=ours) == 0
    assert connectivity.vpn_disconnected("vpn-1", everybody, at(33)) == 1
    assert [link(device)[0] for device in (here, there, of_site)] == [False, True, False]
    connectivity.settle(at(60))
    assert link(there) == (False, at(60), "vpn-1")  # nothing renewed the lease of its server
    assert VpnServer.objects.filter(name="vpn-1").count() == 3


def test_a_server_reaches_only_the_devices_of_its_organization() -> None:
    device, stranger = make_device(), make_device()
    uuids = [device.uuid, stranger.uuid, "f" * 32]
    organization = device.organization
    assert connectivity.vpn_connected("vpn-1", uuids, at(0), organization=organization) == 1
    assert unknown_uuids(uuids, organization) == [stranger.uuid, "f" * 32]
    assert link(stranger)[0] is False
    listed = connectivity.vpn_alive("vpn-1", uuids, at(1), organization=organization)
    assert (listed, link(stranger)[0]) == (0, False)
