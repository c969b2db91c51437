"""Life signs, lists and leases of VPN servers, event by event (domain.md, VPN; protocol.md, vpn/alive)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from devices import clock, connectivity
from devices.connectivity.vpn import ListRequired
from devices.models import VpnServer
from tests.devices.connectivity.facts import at, link, records
from tests.factories import make_device

pytestmark = pytest.mark.django_db


def test_a_server_without_signs_has_no_lease() -> None:
    device = make_device()
    connectivity.vpn_connected("vpn-1", [device.uuid], at(0))
    assert connectivity.settle(at(1_000_000)) == 0
    assert link(device)[0] is True


def test_the_next_sign_of_the_same_instance_revives_what_it_still_owns() -> None:
    kept, left, moved = make_device(), make_device(), make_device()
    connectivity.vpn_alive("vpn-1", at=at(0), boot="a")
    connectivity.vpn_connected("vpn-1", [kept.uuid, left.uuid, moved.uuid], at(0))
    connectivity.settle(at(60))
    assert link(kept) == (False, at(60), "vpn-1")
    connectivity.vpn_disconnected("vpn-1", [left.uuid], at(70))
    connectivity.vpn_connected("vpn-2", [moved.uuid], at(71))
    assert connectivity.vpn_alive("vpn-1", at=at(80), boot="a") == 1
    assert link(kept) == (True, at(80), "vpn-1")
    assert link(left) == (False, at(60), None)
    assert link(moved) == (True, at(71), "vpn-2")
    assert records(kept) == [
        (at(0), "disconnected", "connected", "vpn-connected"),
        (at(60), "connected", "disconnected", "vpn-server-silent"),
        (at(80), "disconnected", "connected", "vpn-server-back"),
    ]


def test_a_new_instance_never_revives_the_devices_of_an_old_one() -> None:
    device = make_device()
    connectivity.vpn_alive("vpn-1", at=at(0), boot="a")
    connectivity.vpn_connected("vpn-1", [device.uuid], at(0))
    connectivity.vpn_alive("vpn-1", at=at(30), boot="b")
    connectivity.settle(at(59.999))
    assert link(device)[0] is True  # what the new one says does not clear the old one's devices
    connectivity.settle(at(60))
    assert link(device) == (False, at(60), "vpn-1")
    assert connectivity.vpn_alive("vpn-1", at=at(70), boot="b") == 0
    assert link(device)[0] is False


def test_a_connect_after_a_silence_connects_only_whom_it_names_and_not_without_end() -> None:
    before, after = make_device(), make_device()
    connectivity.vpn_alive("vpn-1", at=at(0))
    connectivity.vpn_connected("vpn-1", [before.uuid], at(0))
    connectivity.vpn_connected("vpn-1", [after.uuid], at(66))
    assert link(before) == (False, at(60), "vpn-1")
    assert link(after) == (True, at(66), "vpn-1")
    assert connectivity.vpn_alive("vpn-1", at=at(70)) == 1
    assert link(before) == (True, at(70), "vpn-1")
    connectivity.settle(at(130))
    assert link(after) == (False, at(130), "vpn-1")


def test_a_sign_after_which_nothing_else_is_to_be_done_is_one_statement() -> None:
    device = make_device()
    connectivity.vpn_alive("vpn-1", at=at(0), boot="a")
    connectivity.vpn_connected("vpn-1", [device.uuid], at(0))
    with CaptureQueriesContext(connection) as asked:
        assert connectivity.vpn_alive("vpn-1", at=clock.listened(at(59)), boot="a") == 0
    assert len([each for each in asked if "SAVEPOINT" not in each["sql"]]) == 1
    server = VpnServer.objects.get()
    assert (server.last_sign_at, server.lease_until, server.due_at) == (at(59), at(119), at(119))
    connectivity.vpn_alive("vpn-1", at=at(30), boot="a")  # which came late
    server.refresh_from_db()
    assert (server.last_sign_at, server.lease_until, server.due_at) == (at(59), at(119), at(119))


@pytest.mark.parametrize("tell", [connectivity.vpn_connected, connectivity.vpn_disconnected])
def test_each_connect_and_disconnect_renews_the_lease_of_a_server_that_has_signed(
    tell: Callable[..., int],
) -> None:
    device = make_device()
    connectivity.vpn_alive("vpn-1", at=at(0))
    connectivity.vpn_connected("vpn-1", [device.uuid], at(0))
    for moment in (50, 100):
        tell("vpn-1", ["f" * 32], at(moment))
    connectivity.settle(at(159.999))
    assert link(device)[0] is True
    connectivity.settle(at(160))
    assert link(device) == (False, at(160), "vpn-1")


def test_what_a_server_connected_before_its_first_sign_ends_too_whichever_life_signs() -> None:
    listed, other = make_device(), make_device()
    connectivity.vpn_connected("vpn-1", [listed.uuid, other.uuid], at(0))
    connectivity.vpn_alive("vpn-1", [listed.uuid], at(10), boot="a")
    connectivity.vpn_alive("vpn-1", at=at(50), boot="a")
    connectivity.settle(at(70))
    assert link(listed) == (True, at(0), "vpn-1")
    assert link(other) == (False, at(70), "vpn-1")


def test_a_list_claims_what_no_other_live_server_owns() -> None:
    free, elsewhere, orphan = make_device(), make_device(), make_device()
    connectivity.vpn_alive("vpn-2", at=at(0))
    connectivity.vpn_connected("vpn-2", [elsewhere.uuid], at(0))
    connectivity.vpn_alive("vpn-3", at=at(-60))
    connectivity.vpn_connected("vpn-3", [orphan.uuid], at(-60))
    uuids = [free.uuid, elsewhere.uuid, orphan.uuid]
    assert connectivity.vpn_alive("vpn-1", uuids, at(10)) == 2
    assert link(free) == (True, at(10), "vpn-1")
    assert link(elsewhere) == (True, at(0), "vpn-2")
    assert link(orphan) == (True, at(10), "vpn-1")
    assert connectivity.vpn_alive("vpn-1", uuids, at(20)) == 0


@pytest.mark.parametrize(("age", "stays"), [(29.999, True), (30, False)])
def test_a_list_drops_what_it_does_not_name_unless_the_link_is_young(age: float, *, stays: bool) -> None:
    device = make_device()
    connectivity.vpn_connected("vpn-1", [device.uuid], at(0))
    connectivity.vpn_alive("vpn-1", [], at(age))
    assert link(device)[0] is stays
    assert link(device)[2] == ("vpn-1" if stays else None)


def test_a_list_after_a_silence_revives_only_what_it_names() -> None:
    named, unnamed = make_device(), make_device()
    connectivity.vpn_alive("vpn-1", at=at(0))
    connectivity.vpn_connected("vpn-1", [named.uuid, unnamed.uuid], at(0))
    assert connectivity.vpn_alive("vpn-1", [named.uuid], at(65), boot=None) == 2
    assert link(named) == (True, at(65), "vpn-1")
    assert link(unnamed) == (False, at(60), None)


def test_who_does_not_name_its_life_must_list_after_a_silence() -> None:
    device = make_device()
    assert connectivity.vpn_alive("vpn-1", at=at(0), boot=None) == 0
    assert connectivity.vpn_alive("vpn-1", at=at(59), boot=None) == 0
    connectivity.vpn_connected("vpn-1", [device.uuid], at(59))
    with pytest.raises(ListRequired), transaction.atomic():
        connectivity.vpn_alive("vpn-1", at=at(119), boot=None)
    assert VpnServer.objects.get().lease_until == at(119)
    assert connectivity.vpn_alive("vpn-1", [device.uuid], at(120), boot=None) == 1
    assert link(device) == (True, at(120), "vpn-1")


def test_a_connect_after_a_silence_does_not_spare_the_list() -> None:
    lost, named = make_device(), make_device()
    connectivity.vpn_alive("vpn-1", at=at(0), boot=None)
    connectivity.vpn_connected("vpn-1", [lost.uuid], at(0))
    connectivity.vpn_connected("vpn-1", [named.uuid], at(66))
    with pytest.raises(ListRequired), transaction.atomic():
        connectivity.vpn_alive("vpn-1", at=at(67), boot=None)
    assert connectivity.vpn_alive("vpn-1", [named.uuid], at(68), boot=None) == 1
    assert link(lost) == (False, at(60), None)
    assert connectivity.vpn_alive("vpn-1", at=at(69), boot=None) == 0
