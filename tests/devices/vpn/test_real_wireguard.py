"""A real WireGuard peer in front of a real site, by the kernel's WireGuard or else by wireguard-go."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from devices.models import ConnectivityRecord
from devices.vpn.site import Names, Site
from devices.vpn.wireguard import ALIVE_FOR, WireGuard, handshakes
from tests.devices.ingest.world import World
from tests.devices.vpn.conftest import RunningSite
from tests.devices.vpn.network import hosts, namespace, run, unusable


def missing() -> str:
    if why := unusable("wg"):
        return why
    name = f"lk{os.getpid()}"
    made = subprocess.run(["ip", "link", "add", name, "type", "wireguard"], check=False, capture_output=True)
    if made.returncode == 0:
        run("ip", "link", "delete", name)
        return ""
    return "" if shutil.which("wireguard-go") else "needs WireGuard in the kernel, or wireguard-go"


WHY_NOT = missing()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=f"real WireGuard {WHY_NOT}")


@contextmanager
def interface(host: str, address: str, private_key: Path, *options: str) -> Iterator[str]:
    """An interface on this host, with what `wg set` takes."""
    space, name = namespace(host), f"wg{os.getpid()}{host}"
    with ExitStack() as stack:
        try:
            run("ip", "-n", space, "link", "add", name, "type", "wireguard")
        except AssertionError:
            process = subprocess.Popen(
                ["ip", "netns", "exec", space, "wireguard-go", "-f", name], stdout=subprocess.DEVNULL
            )
            stack.callback(process.wait)
            stack.callback(process.terminate)
            while not Path(f"/run/wireguard/{name}.sock").exists():
                assert process.poll() is None
                time.sleep(0.01)
        inside = ("ip", "netns", "exec", space)
        run(*inside, "wg", "set", name, "private-key", private_key, *options)
        run("ip", "-n", space, "address", "add", address, "dev", name)
        run("ip", "-n", space, "link", "set", name, "up")
        yield name


def new_key(path: Path) -> str:
    """Makes a private key; returns the public one."""
    path.touch(0o600)
    path.write_text(run("wg", "genkey"))
    with path.open() as private:
        return subprocess.run(
            ["wg", "pubkey"], stdin=private, capture_output=True, text=True, check=True
        ).stdout.strip()


def test_a_peer_shakes_hands_and_falls_silent(
    site: RunningSite, world: World, key_file: Path, tmp_path: Path
) -> None:
    server_key, device_key = new_key(tmp_path / "server"), new_key(tmp_path / "device")
    names = tmp_path / "names"
    names.write_text(f"{device_key} {world.device.uuid}\n")

    def dump() -> str:
        return run("ip", "netns", "exec", namespace("a"), "wg", "show", "all", "dump")

    watcher = WireGuard(Site(site.url, "wg-1", key_file), Names(names), dump)
    listens = ("listen-port", "51820", "peer", device_key, "allowed-ips", "10.9.0.2/32")
    calls = ("peer", server_key, "allowed-ips", "10.9.0.1/32", "endpoint", "10.99.1.1:51820")
    with hosts(a=1), interface("a", "10.9.0.1/24", tmp_path / "server", *listens):
        watcher.look(0)
        assert not shown(world)
        with interface("c", "10.9.0.2/24", tmp_path / "device", *calls, "persistent-keepalive", "25"):
            deadline = time.monotonic() + 15
            while not shown(world):
                assert time.monotonic() < deadline
                time.sleep(0.1)
                watcher.look(0)
        shaken = handshakes(dump(), time.time())[device_key]
        watcher.look(0, shaken + ALIVE_FOR - 0.01)
        assert shown(world)
        watcher.look(0, shaken + ALIVE_FOR)
        assert not shown(world)
    reasons = ConnectivityRecord.objects.order_by("pk").values_list("reason__slug", flat=True)
    assert list(reasons) == ["vpn-connected", "vpn-disconnected"]


def shown(world: World) -> bool:
    world.device.refresh_from_db()
    return world.device.vpn_connected
