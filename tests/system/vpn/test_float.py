"""A real client whose address and port change while its tunnel stays, as behind a NAT that forgets."""

from __future__ import annotations

import pytest

from tests.devices.vpn.network import Network, namespace, run
from tests.devices.vpn.real import device, eventually, flips, needs_openvpn, serve, shown

pytestmark = [pytest.mark.system, needs_openvpn]

MOVED = "10.99.1.4"  # the client's own address from now on
FLOATED = "10.99.1.3:44444"  # what the server sees of it


def float_client() -> None:
    """Move the client to another address, behind a NAT with another port."""
    client = namespace("c")
    match = ("-t", "nat", "-A", "POSTROUTING", "-p", "udp", "--dport", "1194")
    run("ip", "netns", "exec", client, "iptables", *match, "-j", "SNAT", "--to-source", FLOATED)
    run("ip", "-n", client, "address", "flush", "dev", "to-a")
    for address in (MOVED, FLOATED.partition(":")[0]):
        run("ip", "-n", client, "address", "add", f"{address}/24", "dev", "to-a")


def test_a_clean_end_after_a_float_is_the_end_of_the_session_that_connected(vpn: Network) -> None:
    server, _ = serve(vpn, "a", 1)
    client = vpn.client(1)
    eventually(lambda: client.says("Initialization Sequence Completed") and shown())
    session = device().vpn_session
    float_client()
    eventually(lambda: server.says("floated from") and server.says(FLOATED))
    assert (shown(), device().vpn_session) == (True, session)
    client.end()  # it says goodbye, from where it is now
    eventually(lambda: not shown())
    assert flips() == ["connected vpn-connected a", "disconnected vpn-disconnected a"]
