"""What load balancers ask of a process: under any name, and whatever the database does."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import pytest

from devices.connectivity import outages
from devices.ingest import health, liveness
from devices.ingest.app import Ingest
from devices.ingest.native import calls as native
from devices.models import Listening
from tests.devices.ingest.client import Client
from tests.devices.ingest.raw import another_connection, trouble, unlimited
from tests.devices.ingest.server import serving
from tests.devices.ingest.test_liveness import until
from tests.devices.ingest.world import World, everything


@pytest.fixture
def balancer(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """It asks a process that loses its patience soon, and is well."""
    for module, name, seconds in (
        (health, "YOUNG", 1.5),
        (liveness, "PATIENCE", 0.5),
        (outages, "LIVENESS_EVERY", 0.1),
    ):
        monkeypatch.setattr(module, name, seconds)
    with serving(Ingest((*health.CALLS, *native.CALLS), unlimited())) as port:
        client = Client(port, base="/")
        until(lambda: is_healthy(client) or None)
        yield client
        client.close()


def is_healthy(client: Client) -> bool:
    answer = client.call("GET", "healthz")
    assert (answer.status, answer.text == "OK\n") in {(200, True), (503, False)}
    return answer.status == 200


@pytest.mark.parametrize("path", ["healthz", "livez"])
def test_a_process_that_listens_is_healthy_under_any_name(balancer: Client, path: str) -> None:
    for host in ("192.0.2.1:9", "nobody.example", "lookout.example"):
        answer = balancer.call("GET", path, Host=host)
        assert (answer.status, answer.text) == (200, "OK\n")
        assert answer.headers["cache-control"] == "no-store"
    head = balancer.call("HEAD", path)
    assert (head.status, head.text) == (200, "")
    assert balancer.call("POST", path).status == 405


def test_before_its_first_sign_a_process_is_not_healthy_but_runs(world: World) -> None:
    with (
        another_connection() as migration,
        migration.cursor() as cursor,
        serving(Ingest((*health.CALLS, *native.CALLS), unlimited())) as port,
    ):
        cursor.execute("LOCK TABLE devices_device")
        client = Client(port, base="/")
        if not Listening.objects.exists():
            assert client.call("GET", "healthz").status == 503
        assert client.call("GET", "livez").status == 200
        client.close()
        migration.rollback()


def test_a_locked_device_table_is_unhealthy_and_stops_the_sign_though_no_poll_comes(
    balancer: Client,
) -> None:
    with another_connection() as migration, migration.cursor() as cursor:
        cursor.execute("LOCK TABLE devices_device")
        until(lambda: not is_healthy(balancer) or None)
        at = Listening.objects.get().pulse_at
        assert balancer.call("GET", "livez").status == 200
        assert Listening.objects.get().pulse_at == at
    until(lambda: is_healthy(balancer) or None)
    until(Listening.objects.filter(pulse_at__gt=at).first)


def test_a_poll_that_waits_makes_its_process_unhealthy_and_stops_its_sign(
    balancer: Client, world: World
) -> None:
    device = Client(balancer.port)
    assert device.call("POST", "heartbeat", world.device_key).status == 200
    with ThreadPoolExecutor(1) as thread, another_connection() as other, other.cursor() as cursor:
        cursor.execute("SELECT FROM devices_heartbeat FOR UPDATE")
        poll = thread.submit(device.call, "POST", "heartbeat", world.device_key)
        until(lambda: not is_healthy(balancer) or None)
        at = Listening.objects.get().pulse_at
        assert not poll.done()
        assert Listening.objects.get().pulse_at == at
        other.rollback()
        assert poll.result().status == 200
    until(lambda: is_healthy(balancer) or None)
    until(Listening.objects.filter(pulse_at__gt=at).first)
    device.close()


CALLS: Final = {  # which row of the device each writes, whose key it needs, and what it says
    "POST heartbeat": ("devices_heartbeat", "device_key", None),
    "PATCH report": ("devices_device", "device_key", {"os_version": "6.1"}),
    "POST vpn/connect": ("devices_device", "service_key", {"server": "vpn-1", "devices": ["a" * 32]}),
}


@pytest.mark.thorough
@pytest.mark.parametrize("call", CALLS)
def test_after_a_call_that_a_full_disk_could_not_record_there_is_no_sign_until_it_could(
    balancer: Client, world: World, call: str
) -> None:
    table, key, body = CALLS[call]
    caller, before = Client(balancer.port), everything()
    with trouble(table, world.device.pk, "RAISE EXCEPTION 'no space' USING ERRCODE = 'disk_full'"):
        method, path = call.split()
        assert caller.call(method, path, getattr(world, key), body).status == 503
        until(lambda: not is_healthy(balancer) or None)
        at = Listening.objects.get().pulse_at
    until(lambda: is_healthy(balancer) or None)
    until(Listening.objects.filter(pulse_at__gt=at).first)
    assert everything() == before  # it was tried again and undone: the caller was told that it failed
    caller.close()


def test_a_call_that_was_refused_and_fails_otherwise_now_stops_no_sign(
    balancer: Client, world: World
) -> None:
    caller = Client(balancer.port)
    with trouble("devices_heartbeat", world.device.pk, "RAISE EXCEPTION USING ERRCODE = 'disk_full'"):
        assert caller.call("POST", "heartbeat", world.device_key).status == 503
        until(lambda: not is_healthy(balancer) or None)
    with trouble("devices_heartbeat", world.device.pk, "RAISE EXCEPTION 'a fault'"):
        until(lambda: is_healthy(balancer) or None)
        assert caller.call("POST", "heartbeat", world.device_key).status == 500
        assert is_healthy(balancer)
    caller.close()
