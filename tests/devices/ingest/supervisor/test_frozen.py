"""Frozen and deleted devices behind one address with a whole fleet (protocol.md, Common)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from devices import keys
from devices.ingest.admission import Admission
from devices.ingest.app import Ingest
from devices.ingest.http import NoDatabase, Refused, Reply, unauthorized
from devices.ingest.native import calls as native
from devices.ingest.rate_limits import CALLS, RateLimits, Size
from devices.ingest.supervisor import calls as supervisor
from devices.models import ApiKey, Device
from devices.operations import lifecycle
from tests.devices.ingest.raw import ask, body_message, scope
from tests.devices.ingest.world import World

# As by default, in a second: so few failures stop an address.
FAILURES = Size(rate=0.001, burst=6)
DEVICES = 11


@dataclass(frozen=True)
class Agent:
    uuid: str
    key: str


async def call(app: Ingest, method: str, path: str, key: str, body: object = b"") -> int:
    asked = scope(method, "", key)
    asked |= {"path": path, "raw_path": path.encode()}
    answer = await ask(app, asked, body_message(body))
    assert answer is not None
    return answer.status


async def poll(app: Ingest, agent: Agent) -> int:
    return await call(app, "GET", f"/device/v3/{agent.uuid}/state", agent.key)


async def report(app: Ingest, agent: Agent) -> int:
    return await call(app, "PATCH", "/device/v3/state", agent.key, {agent.uuid: {"status": "Idle"}})


def run(agents: list[Agent], neighbour: Agent) -> list[set[int]]:
    """What three rounds of reports and polls are answered, and at last a neighbour that is new here."""

    async def rounds() -> list[set[int]]:
        app = Ingest((*native.CALLS, *supervisor.CALLS), RateLimits(CALLS, FAILURES))
        try:
            seen = []
            for _ in range(3):
                seen.append({await report(app, agent) for agent in agents})
                seen.append({await poll(app, agent) for agent in agents})
            return [*seen, {await poll(app, neighbour)}]
        finally:
            await app.stop()

    return asyncio.run(rounds())


def made(world: World) -> list[Agent]:
    devices = [lifecycle.register(fleet=world.fleet) for _ in range(DEVICES)]
    return [Agent(device.uuid, keys.new_device_key(device)) for device in devices]


@pytest.mark.thorough
def test_eleven_frozen_devices_do_not_stop_their_site(world: World) -> None:
    agents, neighbour = made(world), Agent(world.device.uuid, world.device_key)
    Device.objects.exclude(pk=world.device.pk).update(frozen_reason="unpaid")
    assert run(agents, neighbour) == [{401}, {304}] * 3 + [{200}]


@pytest.mark.thorough
def test_eleven_deleted_devices_do_not_stop_their_site(world: World) -> None:
    agents, neighbour = made(world), Agent(world.device.uuid, world.device_key)
    for device in Device.objects.filter(fleet=world.fleet).exclude(pk=world.device.pk):
        lifecycle.delete(device=device, actor=None)
    assert run(agents, neighbour) == [{401}, {304}] * 3 + [{200}]


@pytest.mark.thorough
@pytest.mark.parametrize("kind", list(ApiKey.Kind))
def test_a_live_key_of_another_kind_or_for_another_device_stops_nobody(
    world: World, kind: ApiKey.Kind
) -> None:
    """The key on a card is a flasher's until it is exchanged, and it is refused most calls."""
    other = Agent(world.stranger.uuid, getattr(world, f"{kind}_key"))
    seen = run([other] * DEVICES, Agent(world.device.uuid, world.device_key))
    assert seen == [{401}, {401}] * 3 + [{200}]


def test_keys_that_are_live_no_more_stop_their_site(world: World) -> None:
    agents, neighbour = made(world), Agent(world.device.uuid, world.device_key)
    for agent in agents:
        key = keys.named(agent.key)
        assert key is not None
        keys.revoke(key)
    assert run(agents, neighbour)[-1] == {429}


def test_where_the_database_cannot_say_whose_key_it_was_nobody_is_blamed() -> None:
    async def is_known(key: str) -> bool:
        raise NoDatabase

    async def refuse() -> Reply:
        raise unauthorized()

    async def calls() -> list[int]:
        admission, refused = Admission(is_known, RateLimits(CALLS, FAILURES)), []
        for number in range(3 * FAILURES.burst):
            with pytest.raises(Refused) as refusal:
                await admission.admit(f"key-{number}", "198.51.100.1", native.CALLS[0], refuse)
            refused.append(refusal.value.status)
        return refused

    assert set(asyncio.run(calls())) == {401}
