"""A real OpenVPN server in a network namespace, which reports to a real site."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.devices.ingest.world import World
from tests.devices.vpn.conftest import RunningSite, key_file, site, world
from tests.devices.vpn.network import Network
from tests.devices.vpn.real import real_vpn

__all__ = ["key_file", "site", "world"]


@pytest.fixture
def vpn(world: World, site: RunningSite) -> Iterator[Network]:
    with real_vpn(world, site) as running:
        yield running
