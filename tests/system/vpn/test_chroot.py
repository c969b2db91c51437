"""A real OpenVPN with `chroot`, as docs/openvpn.md has it: the hook is not found, the list tells alone."""

from __future__ import annotations

import pytest

from tests.devices.vpn.network import Network
from tests.devices.vpn.real import eventually, flips, needs_openvpn, shown

pytestmark = [pytest.mark.system, needs_openvpn]


@pytest.fixture
def chroot(vpn: Network) -> str:
    """The line of the configuration; OpenVPN keeps files for client-connect in its /tmp."""
    prison = vpn.directory / "chroot"
    (prison / "tmp").mkdir(parents=True)
    (prison / "tmp").chmod(0o1777)
    return f"chroot {prison}"


def test_with_the_hook_it_refuses_every_client(vpn: Network, chroot: str) -> None:
    server = vpn.server("a", 1, more=chroot)
    eventually(lambda: server.says("Initialization Sequence Completed"))
    client = vpn.client(1)
    eventually(lambda: server.says("could not execute external program"))
    eventually(lambda: client.process.poll() is not None)
    assert "AUTH_FAILED" in client.log.read_text()


def test_without_the_hook_the_list_tells_who_is_connected(vpn: Network, chroot: str) -> None:
    server = vpn.server("a", 1, more=chroot, without="client-connect|client-disconnect")
    vpn.watcher("a")
    eventually(lambda: server.says("Initialization Sequence Completed"))
    vpn.client(1)
    eventually(shown)
    assert flips() == ["connected vpn-listed a"]
