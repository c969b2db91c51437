"""Real OpenVPN servers and a real client, in front of a real site: what the VPN indicator shows."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import pytest

from devices.models import VpnServer
from tests.devices.ingest.world import World
from tests.devices.vpn.conftest import RunningSite
from tests.devices.vpn.network import SIGN_EVERY, Network
from tests.devices.vpn.real import device, eventually, flips, needs_openvpn, owner, real_vpn, serve, shown

pytestmark = needs_openvpn


@pytest.fixture
def vpn(world: World, site: RunningSite) -> Iterator[Network]:
    with real_vpn(world, site) as running:
        yield running


def test_the_indicator_follows_a_clean_and_an_unclean_end(vpn: Network) -> None:
    server, _ = serve(vpn, "a", 1)
    client = vpn.client(1)
    eventually(shown)
    client.end()  # it says goodbye; the server waits 5 s for what is still on its way
    eventually(lambda: not shown())
    client = vpn.client(1)
    eventually(shown)
    client.end(signal.SIGKILL)
    eventually(lambda: not shown())
    assert server.process.poll() is None
    assert flips() == ["connected vpn-connected a", "disconnected vpn-disconnected a"] * 2


def test_a_client_that_comes_back_at_once_stays_connected(vpn: Network) -> None:
    """The server ends its old session as the new one begins."""
    serve(vpn, "a", 1)
    client = vpn.client(1)
    eventually(shown)
    first = device().vpn_session
    client.end(signal.SIGKILL)
    vpn.client(1)
    eventually(lambda: device().vpn_session not in {first, ""})
    time.sleep(4)  # when the server would have noticed
    assert shown()


def test_a_roaming_client_belongs_to_where_it_went(vpn: Network) -> None:
    """The server it left notices late, and its disconnect changes nothing."""
    left, _ = serve(vpn, "a", 1)
    serve(vpn, "b", 2)
    client = vpn.client(1)
    eventually(lambda: owner() == "a")
    client.end(signal.SIGKILL)
    client = vpn.client(2)
    eventually(lambda: owner() == "b")
    eventually(lambda: left.says("Inactivity timeout"))
    time.sleep(SIGN_EVERY + 1)  # and so does a list of both
    assert (shown(), owner()) == (True, "b")
    assert flips() == ["connected vpn-connected a"]
    client.end(signal.SIGKILL)
    eventually(lambda: not shown())
    assert flips()[1:] == ["disconnected vpn-disconnected b"]


def test_nothing_is_lost_while_the_site_is_away_and_the_watcher_is_killed(
    vpn: Network, site: RunningSite
) -> None:
    server, watcher = serve(vpn, "a", 1)
    eventually(VpnServer.objects.exists)
    site.stop()
    client = vpn.client(1)
    eventually(lambda: client.says("Initialization Sequence Completed"))
    eventually(lambda: watcher.says("The site does not accept it"))
    watcher.end(signal.SIGKILL)
    watcher = vpn.watcher("a")
    site.start()
    eventually(shown)
    site.stop()
    client.end(signal.SIGKILL)
    eventually(lambda: server.says("Inactivity timeout"))
    assert flips() == ["connected vpn-connected a"]
    site.start()
    eventually(lambda: not shown())
    assert flips()[1:] == ["disconnected vpn-disconnected a"]


def test_a_server_that_restarts_within_begins_another_life(vpn: Network) -> None:
    server, _ = serve(vpn, "a", 1)
    vpn.client(1)
    eventually(shown)
    server.process.send_signal(signal.SIGUSR1)
    eventually(lambda: VpnServer.objects.count() == 2)
    eventually(lambda: shown() and device().vpn_server == VpnServer.objects.latest("pk"))
    lives = VpnServer.objects.values_list("boot", flat=True)
    assert {life.partition("-")[0] for life in lives} == {str(server.process.pid)}


def test_a_killed_server_is_silent_and_its_successor_starts_anew(vpn: Network) -> None:
    server, watcher = serve(vpn, "a", 1)
    client = vpn.client(1)
    eventually(shown)
    server.end(signal.SIGKILL)
    eventually(lambda: watcher.says("OpenVPN does not answer"))
    server = vpn.server("a", 1)
    eventually(lambda: client.says("Inactivity timeout"))
    eventually(lambda: VpnServer.objects.count() == 2)
    eventually(lambda: device().vpn_server == VpnServer.objects.latest("pk"))
    assert shown()
    server.end()  # it takes leave of its clients
    eventually(lambda: not shown())
    assert flips()[-1] == "disconnected vpn-disconnected a"
