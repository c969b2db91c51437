"""Real OpenVPN servers in front of a real site, for tests: what the site shows of the device of its world."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from devices.models import ConnectivityRecord, Device
from devices.status.reading import with_status
from tests.devices.ingest.world import World
from tests.devices.vpn.conftest import RunningSite
from tests.devices.vpn.network import Network, Process, network, unusable

WHY_NOT = unusable("openvpn", "openssl")
needs_openvpn = pytest.mark.skipif(
    bool(WHY_NOT) and not os.environ.get("REQUIRE_OPENVPN"), reason=f"real OpenVPN {WHY_NOT}"
)


@contextmanager
def real_vpn(world: World, site: RunningSite, common_name: str = "") -> Iterator[Network]:
    """The device's certificate has this common name; else its UUID."""
    assert not WHY_NOT, f"REQUIRE_OPENVPN is set, but this {WHY_NOT}"
    directory = Path(tempfile.mkdtemp(prefix="vpn-"))
    directory.chmod(0o711)
    try:
        with network(directory, common_name or world.device.uuid, world.service_key, site.url) as running:
            yield running
    finally:
        shutil.rmtree(directory)


def eventually(holds: Callable[[], bool], within: float = 20) -> None:
    """Waits until it holds."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < within
        time.sleep(0.05)


def device() -> Device:
    return Device.objects.select_related("vpn_server").get(uuid="a" * 32)


def shown() -> bool:
    """The VPN indicator of the device."""
    return bool(with_status(Device.objects.filter(uuid="a" * 32)).values().get()["vpn"])


def owner() -> str:
    server = device().vpn_server
    return server.name if server else ""


def flips() -> list[str]:
    """All changes of the indicator so far, and why."""
    records = ConnectivityRecord.objects.filter(link="vpn").order_by("at", "pk")
    return [f"{record.after} {record.reason['slug']} {record.reason['server']}" for record in records]


def serve(vpn: Network, name: str, number: int, *options: str) -> tuple[Process, Process]:
    """An OpenVPN server and its watcher, both at work."""
    server, watcher = vpn.server(name, number), vpn.watcher(name, *options)
    eventually(lambda: server.says("Initialization Sequence Completed"))
    eventually(lambda: watcher.says("OpenVPN answers"))
    return server, watcher
