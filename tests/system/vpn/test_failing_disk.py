"""A real watcher whose spool turns read-only, as an ext4 does after an error of its disk."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from devices.models import VpnServer
from tests.devices.vpn.conftest import RunningSite
from tests.devices.vpn.network import GROUP, USER, Network, run
from tests.devices.vpn.real import device, eventually, flips, needs_openvpn, serve, shown

pytestmark = [pytest.mark.system, needs_openvpn]


@contextmanager
def own_disk(vpn: Network) -> Iterator[str]:
    """The spool of server "a" on a file system of its own, while this lasts."""
    spool = str(vpn.directory / "var/lib/lookout-vpn/a")
    run("mount", "-t", "tmpfs", "-o", "mode=750,size=1m", "tmpfs", spool)
    try:
        run("chown", f"{USER}:{GROUP}", spool)
        yield spool
    finally:
        run("umount", "--lazy", spool)


def last_sign() -> str:
    return str(VpnServer.objects.get().last_sign_at)


def signed_since(sign: str) -> bool:
    return last_sign() != sign


def test_a_watcher_signs_on_while_its_spool_is_read_only_with_a_note_waiting(
    vpn: Network, site: RunningSite
) -> None:
    with own_disk(vpn) as spool:
        server, watcher = serve(vpn, "a", 1)
        eventually(VpnServer.objects.exists)
        watcher.end(signal.SIGKILL)
        client = vpn.client(1)  # the hook notes it, and nobody takes the note
        eventually(lambda: client.says("Initialization Sequence Completed"))
        run("mount", "-o", "remount,ro", spool)
        watcher = vpn.watcher("a")
        eventually(lambda: watcher.says("Read-only file system"))
        eventually(shown)  # by the list
        for _ in range(2):
            before = last_sign()
            eventually(partial(signed_since, before))
        run("mount", "-o", "remount,rw", spool)
        eventually(lambda: watcher.says("The notes can be written again"))
        client.end(signal.SIGKILL)
        client = vpn.client(1)
        eventually(lambda: bool(device().vpn_session))  # of this connect, by its note
        client.end()
        eventually(lambda: not shown())
    assert flips() == ["connected vpn-listed a", "disconnected vpn-disconnected a"]
    assert server.process.poll() is None
