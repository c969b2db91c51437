"""The ingest of a site with a relay: by the Host of a call, down to the device's status."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from socket import create_connection
from typing import Any

import pytest

from devices.ingest import health
from devices.ingest.app import Ingest
from devices.ingest.relay import hosts, relay, writing
from devices.ingest.supervisor import calls as supervisor
from devices.models import Device, Heartbeat, Source
from tests.devices.ingest.raw import unlimited
from tests.devices.ingest.relay.alone import HOST, Answer, read, request
from tests.devices.ingest.relay.mirrored import Mirrored, make_source
from tests.devices.ingest.relay.recordings import recording
from tests.devices.ingest.relay.upstream import Upstream, upstream
from tests.devices.ingest.server import serving
from tests.worker import wait_until

PUMP = "a0000000000000000000000000000002"
POLL = recording("state-v3-200")


@pytest.fixture
def api() -> Iterator[Upstream]:
    with upstream(POLL.answer) as api:
        yield api


@pytest.fixture
def mirrored(transactional_db: None, api: Upstream) -> Mirrored:
    mirrored = make_source(port=api.port)
    mirrored.device(PUMP, 3)
    return mirrored


@pytest.fixture
def port(mirrored: Mirrored, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(relay, "REFRESH_EVERY", 0.05)
    with serving(Ingest((*health.CALLS, *supervisor.CALLS), unlimited())) as port:
        yield port


def call(port: int, raw: bytes) -> Answer:
    with closing(create_connection(("127.0.0.1", port), 20)) as connection:
        connection.sendall(raw)
        return read(connection, raw.partition(b" ")[0].decode())


def test_a_poll_makes_the_device_online_for_the_interval_that_the_api_told(port: int) -> None:
    answer = call(port, POLL.request)
    assert (answer.status, answer.body) == (200, POLL.body)
    wait_until(lambda: Device.objects.get().heartbeat_state == "recent")
    assert Heartbeat.objects.get().poll_interval == 3600


@pytest.mark.parametrize("host", [HOST, HOST.upper(), f"{HOST}:443"])
def test_calls_of_the_host_are_relayed(port: int, api: Upstream, host: str) -> None:
    assert call(port, POLL.request.replace(HOST.encode(), host.encode())).status == 200
    assert [sent.names["host"] for sent in api.sent] == [host]


@pytest.mark.parametrize("host", ["lookout.example", "another.api.example", "api.example.org", ""])
def test_calls_of_another_host_are_the_site_s_own(port: int, api: Upstream, host: str) -> None:
    assert call(port, POLL.request.replace(HOST.encode(), host.encode())).status == 401
    assert api.sent == []


def test_the_health_of_a_process_is_its_own_under_any_host(port: int, api: Upstream) -> None:
    assert call(port, request("GET", "/livez")).body == b"OK\n"
    assert api.sent == []


def test_what_tells_of_no_link_is_not_relayed(port: int, api: Upstream) -> None:
    for method, path in (
        ("GET", "/v7/device"),
        ("GET", f"/v7/device(uuid='{PUMP}')"),
        ("POST", f"/device/v2/{PUMP}/log-stream"),
        ("GET", "/os/v1/config"),
        ("GET", "/"),
    ):
        answer = call(port, request(method, path))
        assert (answer.status, b"straight to the API" in answer.body) == (421, True)
    assert api.sent == []


def test_a_relay_begins_and_ends_without_a_restart(port: int, api: Upstream) -> None:
    Source.objects.update(relay_host="other.example")
    wait_until(lambda: call(port, POLL.request).status == 401)
    Source.objects.update(relay_host=HOST)
    wait_until(lambda: call(port, POLL.request).status == 200)


def test_an_address_that_cannot_be_called_stops_no_other(mirrored: Mirrored, api: Upstream) -> None:
    Source.objects.create(
        organization=mirrored.fleet.organization,
        name="Broken",
        created_at=mirrored.source.created_at,
        relay_host="broken.example",
        relay_to="nonsense",
    )
    known = hosts.Hosts()
    known.refresh()
    scope = {"headers": [(b"host", HOST.encode())]}
    target = known.target(scope)  # type: ignore[arg-type]
    assert target is not None
    assert target.address.port == api.port


def test_an_answer_does_not_wait_for_the_database_nor_fail_with_it(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = []

    def fails(work: object) -> None:
        begun.append(work)
        raise RuntimeError("a bad day")

    monkeypatch.setattr(writing, "in_database", fails)
    assert call(port, POLL.request).status == 200
    wait_until(lambda: begun)
    assert call(port, POLL.request).status == 200


def test_the_site_s_own_hosts_are_never_relayed(mirrored: Mirrored, settings: Any) -> None:
    settings.ALLOWED_HOSTS = [HOST]
    known = hosts.Hosts()
    known.refresh()
    asked: Any = {"headers": [(b"host", HOST.encode())]}
    assert known.target(asked) is None
