"""A supervisor's whole life, for both forms of state and report (protocol.md)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest

from devices import keys
from devices.models import Device, Heartbeat, StatusChange
from devices.operations import lifecycle
from devices.status.reading import with_status
from fleets.models import Fleet
from tests.devices.ingest.client import Client
from tests.devices.ingest.supervisor.agent import ExchangeRefused, Supervisor
from tests.devices.ingest.world import World

INTERVAL = "BALENA_SUPERVISOR_POLL_INTERVAL"


@pytest.fixture(params=[3, 2], ids=["v3", "v2"])
def agent(request: pytest.FixtureRequest, world: World, client: Client) -> Supervisor:
    Fleet.objects.filter(pk=world.fleet.pk).update(poll_interval=60, vpn_enabled=False)
    return Supervisor(client, world.provisioning_key, request.param)


def status(agent: Supervisor) -> Any:
    return with_status(Device.objects.filter(uuid=agent.uuid)).get().status


def flash(agent: Supervisor, **fields: str) -> int:
    path = f"v6/device?$filter=uuid%20eq%20'{agent.uuid}'"
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    return agent.client.call("PATCH", path, agent.key, urlencode(fields).encode(), **form).status


def test_from_the_flasher_to_an_update(agent: Supervisor) -> None:
    agent.provision()
    assert status(agent) == "post-provisioning"
    # A flasher writes the disk, then the device starts from it.
    for progress in ("0", "50", "100"):
        assert flash(agent, provisioning_progress=progress, provisioning_state="Flashing") == 200
        assert status(agent) == "configuring"
    assert flash(agent, provisioning_state="Post-Provisioning") == 200
    assert status(agent) == "post-provisioning"
    assert agent.poll() == 200
    agent.configure()  # once it knows what is set already
    assert agent.report(status="Idle", provisioning_state="", provisioning_progress=None).status == 200
    assert status(agent) == "online"
    assert agent.poll() == 200  # it has a name now
    assert agent.target["name"] == agent.device.name == "Door"
    assert agent.target["config"][INTERVAL] == "180000"
    assert Heartbeat.objects.get().poll_interval == 180
    # Nothing new: polls count all the same.
    last = Heartbeat.objects.get().last_poll_at
    assert agent.poll() == 304
    assert Heartbeat.objects.get().last_poll_at > last
    update(agent)


def update(agent: Supervisor) -> None:
    """A new release comes."""
    seen = []
    for progress in ([0, 0], [50, None], [100, 100]):
        agent.report_update([*progress])
        seen.append((status(agent), agent.device.update_progress))
        assert agent.report(cpu_usage=5, memory_usage=100).status == 200  # says nothing of the update
        assert agent.poll() == 304
    assert seen == [("updating", 0), ("updating", 75), ("updating", 100)]
    agent.report_done()
    assert (status(agent), agent.device.update_progress) == ("online", None)
    if agent.form == 3:
        assert (agent.device.release, agent.device.target_release) == ("new", "new")
        assert agent.device.update_status == "done"


def test_a_reboot(agent: Supervisor) -> None:
    """It comes up with its key, but with neither its tag nor its last report."""
    agent.provision()
    assert agent.poll() == 200
    risen = replace(agent, tag="", number=None)
    assert risen.poll() == 200
    assert risen.report(status="Idle", os_version="6.1", ip_address="192.0.2.7").status == 200
    assert (risen.tag, risen.device.os_version) == (agent.tag, "6.1")
    assert risen.poll() == 304
    assert status(risen) == "online"


def test_a_reboot_while_registering(agent: Supervisor) -> None:
    """The answer was lost: it is told that it is there, and its own key opens."""
    agent.provision()
    again = replace(agent, number=None)
    again.provision()
    assert again.number == agent.number
    assert again.poll() == 200


def test_a_card_written_again_before_the_first_poll(agent: Supervisor) -> None:
    """It lost the key it chose: the key on the card gets it another."""
    agent.provision()
    again = replace(agent, number=None, key="chosen-by-a-card-written-again-0123456")
    again.provision()
    assert again.number == agent.number
    assert agent.poll() == 401
    assert again.poll() == 200


def test_a_card_written_again_later_must_be_a_new_device(world: World, agent: Supervisor) -> None:
    """Else whoever holds a card of the fleet could take the device over. An operator deletes it first."""
    agent.provision()
    assert agent.poll() == 200
    again = replace(agent, number=None, key="chosen-by-a-card-written-again-0123456", tag="")
    with pytest.raises(ExchangeRefused):
        again.provision()
    assert agent.poll() == 304
    lifecycle.delete(device=agent.device, actor=None)
    assert agent.poll() == 304  # told to stay as it is
    assert agent.report(status="Idle").status == (401 if agent.form == 3 else 200)
    again.provision()
    assert again.number != agent.number
    assert again.poll() == 200
    assert agent.poll() == 304
    changes = StatusChange.objects.exclude(device__in=[world.device, world.stranger]).order_by("id")
    assert [change.after for change in changes] == [
        "post-provisioning",
        "online",
        None,
        "post-provisioning",
        "online",
    ]


def test_a_frozen_device_stays_as_it_is(agent: Supervisor) -> None:
    agent.provision()
    assert agent.poll() == 200
    Device.objects.filter(uuid=agent.uuid).update(frozen_reason="unpaid")
    last = Heartbeat.objects.get().last_poll_at
    assert agent.poll() == 304
    assert Heartbeat.objects.get().last_poll_at > last
    assert agent.report(os_version="7").status == 401
    assert (agent.device.os_version, status(agent)) == ("", "frozen")


def test_keys_are_exchanged_while_it_lives(agent: Supervisor) -> None:
    agent.provision()
    chosen = "chosen-by-the-supervisor-while-it-lives"
    old, agent.key = agent.key, keys.new_device_key(agent.device)
    path = f"api-key/device/{agent.number}/device-key"
    assert agent.client.call("POST", path, agent.key, {"apiKey": chosen}).status == 200
    for key, expected in ((old, 401), (agent.key, 401), (chosen, 200)):
        agent.key = key
        assert agent.poll() == expected
