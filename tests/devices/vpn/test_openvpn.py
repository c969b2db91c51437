"""The watcher of an OpenVPN server between its notes and a real site."""

from __future__ import annotations

import logging
import socket
from contextlib import closing
from pathlib import Path

import pytest

from devices.models import ConnectivityRecord, Device, VpnServer
from devices.vpn import journal
from devices.vpn.management import Management
from devices.vpn.openvpn import OpenVpn
from devices.vpn.site import Names, NotHeard, Site
from devices.vpn.spool import Spool
from tests.devices.ingest.world import World, make_device
from tests.devices.vpn.conftest import RunningSite
from tests.devices.vpn.test_management import Recorded
from tests.devices.vpn.test_spool import call_hook

OURS = "a" * 32


class Host:
    """An OpenVPN server's spool and watcher; its management interface does not answer."""

    def __init__(self, site: RunningSite, key_file: Path, name: str, names: Path | None = None) -> None:
        self.spool = key_file.with_name(name)
        self.management = Management(str(self.spool / "management"))
        told = Site(site.url, name, key_file)
        self.watcher = OpenVpn(told, Spool(self.spool), self.management, Names(names))

    def note(self, call: str, session: str, name: str = OURS) -> None:
        assert call_hook(self.spool, call, session, name).returncode == 0

    def look(self) -> None:
        self.watcher.look(0)


def owner(uuid: str = OURS) -> str:
    """Which server the device is connected to."""
    device = Device.objects.select_related("vpn_server").get(uuid=uuid)
    return device.vpn_server.name if device.vpn_server and device.vpn_connected else ""


def test_what_a_server_says_late_takes_nothing_from_another(
    site: RunningSite, world: World, key_file: Path
) -> None:
    """It heard of its own second session and of the end of both while it could not reach the site."""
    left, went_to = Host(site, key_file, "vpn-1"), Host(site, key_file, "vpn-2")
    left.note("connect", "7-1194")
    left.look()
    left.note("disconnect", "7-1194")
    left.note("connect", "8-1195")
    went_to.note("connect", "9-1196")
    went_to.look()
    assert owner() == "vpn-2"
    left.note("disconnect", "8-1195")
    left.look()
    assert owner() == "vpn-2"
    assert ConnectivityRecord.objects.count() == 1


def test_the_end_of_a_session_that_the_site_never_heard_of_ends_the_one_it_knows(
    site: RunningSite, world: World, key_file: Path
) -> None:
    host = Host(site, key_file, "vpn-1")
    host.note("connect", "7-1194")
    host.look()
    site.stop()
    for call, session in (("disconnect", "7-1194"), ("connect", "8-1195"), ("disconnect", "8-1195")):
        host.note(call, session)
        with pytest.raises(NotHeard):
            host.look()
    site.start()
    assert owner() == "vpn-1"
    host.look()
    assert owner() == ""


def test_names_become_devices_and_others_are_passed_over(
    site: RunningSite, world: World, key_file: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_device(world.fleet, "c")
    names = tmp_path / "names"
    lines = {"pump-1": OURS, "gate@1.example": "c" * 32, "stray": "d" * 32}
    names.write_text("".join(f"{name} {uuid}\n" for name, uuid in lines.items()))
    host = Host(site, key_file, "vpn-1", names)
    journal._last.clear()
    with caplog.at_level(logging.INFO, "lookout.vpn"):
        for name in (*lines, "admins-laptop"):
            host.note("connect", "7-1194", name)
        host.look()
    assert (owner(), owner("c" * 32)) == ("vpn-1", "vpn-1")
    assert not Spool(host.spool).pending()
    said = [record.getMessage() for record in caplog.records if record.name == "lookout.vpn"]
    assert said[0].startswith("OpenVPN does not answer")
    assert said[1:] == ["admins-laptop is not the name of a device", f"The site knows no device {'d' * 32}"]


def test_a_spool_that_fails_costs_notes_and_no_life_sign(
    site: RunningSite, world: World, key_file: Path, tmp_path: Path
) -> None:
    """What waits from before is not told once the disk works again: the hook could not note what followed."""
    (tmp_path / "names").write_text(f"pump-1 {'d' * 32}\nours {OURS}\n")
    host = Host(site, key_file, "vpn-1", tmp_path / "names")
    with closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(str(host.spool / "management"))
        listener.listen()
        Recorded(listener)
        host.note("connect", "7-1194", "ours")
        taken = host.spool / "taken"
        taken.rmdir()
        taken.touch()  # nothing can be renamed into it, not even by root
        signs = []
        for now in (0, 5, 10, 20):
            host.watcher.look(now)
            signs.append(str(VpnServer.objects.get().last_sign_at))
        assert signs[0] == signs[1] < signs[2] < signs[3]
        taken.unlink()
        host.watcher.look(21)
        assert owner() == ""
        host.note("connect", "8-1194", "ours")
        host.watcher.look(22)
        assert owner() == "vpn-1"
        host.management.close()
        listener.shutdown(socket.SHUT_RDWR)
