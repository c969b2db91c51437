"""A real client whose certificate has a common name with spaces and #."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.devices.ingest.world import World
from tests.devices.vpn.conftest import RunningSite
from tests.devices.vpn.network import Network
from tests.devices.vpn.real import device, eventually, flips, needs_openvpn, real_vpn, serve, shown

pytestmark = [pytest.mark.system, needs_openvpn]

NAME = "Pump #1 (n\N{LATIN SMALL LETTER O WITH DIAERESIS}rd)"


@pytest.fixture
def vpn(world: World, site: RunningSite) -> Iterator[Network]:
    with real_vpn(world, site, NAME) as running:
        yield running


def test_a_common_name_with_spaces_and_number_signs_is_a_devices_name(vpn: Network) -> None:
    names = vpn.directory / "names"
    names.write_text(f"{NAME} {'a' * 32}\n")
    serve(vpn, "a", 1, "--names", str(names))
    client = vpn.client(1)
    eventually(shown)
    assert device().vpn_session  # by a note of the hook, not by the list
    client.end()
    eventually(lambda: not shown())
    assert flips() == ["connected vpn-connected a", "disconnected vpn-disconnected a"]
