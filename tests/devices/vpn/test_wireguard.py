"""WireGuard's peers from what `wg show all dump` prints, and what the site is told of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from devices.models import ConnectivityRecord, Device, VpnServer
from devices.vpn.site import Names, NotHeard, Site
from devices.vpn.wireguard import WireGuard, handshakes
from tests.devices.ingest.world import World, make_device
from tests.devices.vpn.conftest import RunningSite
from tests.devices.vpn.network import ROOT

NOW = 1_800_000_000
PUMP = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="
GATE = "TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0="
LAPTOP = "gN65BkIKy1eCE9pP1wdc8ROUtkHLF2PfAqYdyYBz6EA="


def dump(**shaken: int) -> str:
    """Two interfaces; the peers' latest handshakes are given by name."""
    peers = {
        "pump": f"wg0\t{PUMP}\t(none)\t192.0.2.7:51820\t10.9.0.2/32,fd00::2/128\t{{}}\t18524\t9280\t25\n",
        "gate": f"wg0\t{GATE}\t(none)\t[2001:db8::7]:40000\t10.9.0.3/32\t{{}}\t148\t92\t25\n",
        "laptop": f"wg1\t{LAPTOP}\t(none)\t(none)\t(none)\t{{}}\t0\t0\toff\n",
    }
    return (
        "wg0\tyAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=\tHIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw="
        "\t51820\toff\n"
        + "".join(line.format(shaken.get(name, 0)) for name, line in peers.items())
        + "wg1\t(none)\t(none)\t0\t0xca6c\n"
    )


def test_a_peer_is_connected_until_180_s_after_its_handshake() -> None:
    text = dump(pump=NOW - 179, gate=NOW - 180, laptop=0)
    assert handshakes(text, NOW) == {PUMP: NOW - 179}
    assert handshakes(text, NOW - 0.5) == {PUMP: NOW - 179, GATE: NOW - 180}
    assert handshakes("", NOW) == {}


def test_a_peer_of_two_interfaces_counts_by_its_latest_handshake() -> None:
    text = dump(pump=NOW - 5) + dump(pump=NOW - 100).replace("wg0", "wg2")
    assert handshakes(text, NOW) == {PUMP: NOW - 5}


class Host:
    """A WireGuard server with its watcher; `shaken` is what it prints next."""

    def __init__(self, site: RunningSite, key_file: Path, server: str = "wg-1") -> None:
        names = key_file.with_name("peers")
        names.write_text(f"{PUMP} {'a' * 32}\n{GATE} {'c' * 32}\n")
        self.watcher = WireGuard(Site(site.url, server, key_file), Names(names), self._dump)
        self.shaken: dict[str, int] = {}
        self.broken = False

    def _dump(self) -> str:
        if self.broken:
            raise subprocess.CalledProcessError(1, "wg")
        return dump(**self.shaken)

    def look(self, second: float, **shaken: int) -> None:
        """At NOW + this second; the handshakes are named likewise."""
        self.shaken = {name: NOW + at for name, at in shaken.items()}
        self.watcher.look(second, NOW + second)


@pytest.fixture
def gate(world: World) -> Device:
    return make_device(world.fleet, "c")


def connected() -> str:
    """The digits of the connected devices."""
    uuids = Device.objects.filter(vpn_connected=True).values_list("uuid", flat=True)
    return "".join(sorted(uuid[0] for uuid in uuids))


def reasons() -> list[str]:
    return [record.reason["slug"] for record in ConnectivityRecord.objects.order_by("at", "pk")]


def test_peers_come_and_go(site: RunningSite, gate: Device, key_file: Path) -> None:
    host = Host(site, key_file)
    host.look(0, pump=-3, laptop=-3)
    assert connected() == "a"
    host.look(2, pump=-3, gate=1)
    assert connected() == "ac"
    host.look(177, pump=-3, gate=121)
    assert connected() == "c"
    assert reasons() == ["vpn-listed", "vpn-connected", "vpn-disconnected"]
    server = VpnServer.objects.get()
    assert (server.name, server.boot) == ("wg-1", "")
    assert server.lease_until


def test_what_changed_while_the_site_was_away_is_told_afterwards(
    site: RunningSite, gate: Device, key_file: Path
) -> None:
    host = Host(site, key_file)
    host.look(0, pump=-3)
    site.stop()
    for second in (2, 4):
        with pytest.raises(NotHeard):
            host.look(second, gate=1)
    site.start()
    host.look(6, gate=1)
    assert connected() == "c"
    assert reasons() == ["vpn-listed", "vpn-disconnected", "vpn-connected"]


def test_a_dead_wireguard_gives_no_sign(site: RunningSite, gate: Device, key_file: Path) -> None:
    host = Host(site, key_file)
    host.look(0, pump=-3)
    signed = VpnServer.objects.get().last_sign_at
    host.broken = True
    host.look(20, pump=-3)
    assert (connected(), VpnServer.objects.get().last_sign_at) == ("a", signed)
    host.broken = False
    host.look(22, pump=-3)
    assert VpnServer.objects.get().last_sign_at != signed


def test_a_device_that_roams_and_comes_back(site: RunningSite, gate: Device, key_file: Path) -> None:
    """Each server goes on seeing it for 3 minutes; it belongs to where it shook hands last."""
    here, there = Host(site, key_file), Host(site, key_file, "wg-2")
    here.look(0, pump=-3)
    there.look(0)
    there.look(30, pump=29)
    assert owner() == "wg-2"
    here.look(60, pump=-3)
    assert owner() == "wg-2"
    here.look(90, pump=89)
    assert owner() == "wg-1"
    there.look(210, pump=29)
    assert (connected(), owner()) == ("a", "wg-1")
    assert reasons() == ["vpn-listed"]


def owner() -> str:
    server = Device.objects.select_related("vpn_server").get(uuid="a" * 32).vpn_server
    return server.name if server else ""


@pytest.mark.parametrize(
    "command",
    [["-m", "devices.vpn", "wireguard"], ["manage.py", "watch_wireguard"]],
    ids=["program", "management command"],
)
def test_the_command_watches(
    site: RunningSite, gate: Device, key_file: Path, tmp_path: Path, command: list[str]
) -> None:
    """With a `wg` that prints a recording."""
    program = tmp_path / "wg"
    recording = dump(pump=4_000_000_000)
    program.write_text(f"#!/bin/sh\n[ \"$*\" = 'show all dump' ] && printf {json.dumps(recording)}\n")
    program.chmod(0o755)
    names = tmp_path / "names"
    names.write_text(f"{PUMP} {'a' * 32}\n")
    options = ["--site", site.url, "--server", "wg-1", "--key-file", str(key_file), "--names", str(names)]
    process = subprocess.Popen(
        [sys.executable, *command, *options],
        cwd=ROOT,
        env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr
    with process.stderr as said:
        try:
            lines = [said.readline(), said.readline()]
            assert [line.rpartition(": ")[2] for line in lines] == [
                "WireGuard answers\n",
                "The site answers\n",
            ]
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
    assert connected() == "a"
