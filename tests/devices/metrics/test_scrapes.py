"""/metrics and /readyz over HTTP: who may read them, in which formats, how often they are made."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from django.conf import settings
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics

from dashboard import asgi
from dashboard.server.health import Health
from devices import clock
from devices.connectivity import outages
from devices.ingest import client_address, watched
from devices.ingest.app import Ingest
from devices.ingest.native import calls as native
from devices.metrics import device_series, readiness, scrapes
from devices.metrics.scrapes import Scrapes
from devices.models import Device, Teller
from fleets.postgres.leader import TELLING, Leader
from tests.dashboard.test_asgi import ask
from tests.devices.ingest.client import Client
from tests.devices.ingest.raw import unlimited
from tests.devices.ingest.server import serving
from tests.devices.ingest.world import World, make_world
from tests.devices.metrics.reading import one, samples, total
from tests.factories import make_device, make_fleet, make_organization


@pytest.fixture
def world(transactional_db: None) -> World:
    return make_world()


@pytest.fixture(params=["ingest", "pages"])
def monitoring(request: pytest.FixtureRequest, world: World) -> Iterator[Client]:
    """It asks a process of the ingest, or one of pages alone, over the loopback."""
    app: Any = asgi.pages
    if request.param == "ingest":
        app = Ingest((*watched.CALLS, *native.CALLS), unlimited())
    elif isinstance(app, Health):
        app._scrapes = Scrapes()
    with serving(app) as port:
        client = Client(port, base="/")
        yield client
        client.close()


@pytest.fixture
def networks(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Settings of addresses may be changed."""
    _forget()
    yield monkeypatch
    _forget()


def _forget() -> None:
    watched._is_in_networks.cache_clear()
    client_address.is_trusted.cache_clear()


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is answered from memory."""
    monkeypatch.setattr(scrapes, "KEPT", 0.0)


def test_each_process_tells_of_the_whole_site_as_text_and_as_openmetrics(
    monitoring: Client, world: World
) -> None:
    world.device.refresh_from_db()
    answer = monitoring.call("GET", "metrics", Host="192.0.2.1:9")
    assert (answer.status, answer.headers["content-type"]) == (
        200,
        "text/plain; version=0.0.4; charset=utf-8",
    )
    found = samples(answer.text)
    assert total(found, "lookout_devices") == Device.objects.count() == 2
    assert (
        one(
            found, "lookout_devices", organization="ours", fleet="kiosks", status=world.device.recorded_status
        )
        == 1
    )
    assert one(found, "lookout_build_info", version=settings.VERSION) == 1
    accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
    answer = monitoring.call("GET", "metrics", Accept=accept)
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert answer.text.endswith("# EOF\n")
    assert "lookout_outage_seconds" in {metric.name for metric in open_metrics(answer.text)}


@pytest.mark.usefixtures("at_once")
def test_calls_batches_and_refusals_are_counted(world: World) -> None:
    with serving(Ingest((*watched.CALLS, *native.CALLS), unlimited())) as port:
        monitoring, device = Client(port, base="/"), Client(port)
        before = samples(monitoring.call("GET", "metrics").text)
        assert device.call("POST", "heartbeat", world.device_key).status == 200
        assert device.call("POST", "heartbeat", "x" * 40).status == 401
        assert device.call("POST", "nothing").status == 404
        after = samples(monitoring.call("GET", "metrics").text)
        for client in (monitoring, device):
            client.close()

    def grown(name: str, **labels: str) -> float:
        return total(after, name, **labels) - total(before, name, **labels)

    heartbeat = {"dialect": "native", "call": "/api/v1/heartbeat"}
    assert grown("lookout_calls_total", **heartbeat, code="200") == 1
    assert grown("lookout_calls_total", **heartbeat, code="401") == 1
    assert grown("lookout_calls_total", dialect="none", call="none", code="404") == 1
    assert (
        grown("lookout_refused_total", reason="key") == grown("lookout_refused_total", reason="unknown") == 1
    )
    assert grown("lookout_batch_seconds_count") == grown("lookout_batch_size_count") == 2
    assert grown("lookout_batch_size_sum") == 2


def test_strangers_find_nothing_and_learn_no_name(monitoring: Client, networks: pytest.MonkeyPatch) -> None:
    networks.setattr(settings, "METRICS_NETWORKS", [ip_network("192.0.2.0/24")])
    for path in ("metrics", "readyz", "metrics?devices=1"):
        answer = monitoring.call("GET", path)
        assert answer.status == 404
        assert "kiosks" not in answer.text


@pytest.mark.parametrize(
    ("forwarded", "status"),
    [("192.0.2.7", 200), ("198.51.100.7", 404), ("127.0.0.1", 404), ("nonsense", 404)],
)
def test_behind_a_trusted_proxy_the_callers_own_address_counts(
    monitoring: Client, networks: pytest.MonkeyPatch, forwarded: str, status: int
) -> None:
    networks.setattr(settings, "METRICS_NETWORKS", [ip_network("192.0.2.0/24")])
    networks.setattr(settings, "TRUSTED_PROXIES", ["127.0.0.0/8"])
    headers = {"X-Forwarded-For": forwarded}
    assert monitoring.call("GET", "metrics", **headers).status == status


def test_a_proxy_on_this_machine_that_is_not_trusted_opens_nothing(
    monitoring: Client, networks: pytest.MonkeyPatch
) -> None:
    assert monitoring.call("GET", "metrics", **{"X-Forwarded-For": "198.51.100.7"}).status == 404
    networks.setattr(settings, "TRUSTED_PROXIES", ["127.0.0.0/8"])
    _forget()
    assert monitoring.call("GET", "metrics", **{"X-Forwarded-For": "198.51.100.7"}).status == 404
    assert monitoring.call("GET", "metrics").status == 200  # from the machine of the proxy itself


def test_single_devices_have_metrics_where_filters_name_few(
    monitoring: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.device.refresh_from_db()
    answer = monitoring.call("GET", f"metrics?devices=1&fleet=kiosks&status={world.device.recorded_status}")
    found = samples(answer.text)
    labels = {"organization": "ours", "fleet": "kiosks", "device": world.device.uuid, "name": ""}
    assert one(found, "lookout_device_status", **labels, status=world.device.recorded_status) == 1
    assert len(found) == 1
    assert len(samples(monitoring.call("GET", "metrics?devices=1&org=theirs").text)) == 1
    assert samples(monitoring.call("GET", "metrics?devices=1&org=nobodys").text) == {}
    for unknown in ("colour=red", "fleet=no-such-fleet", "status=broken"):
        assert monitoring.call("GET", f"metrics?devices=1&{unknown}").status == 400
    monkeypatch.setattr(device_series, "MOST", 1)
    answer = monitoring.call("GET", "metrics?devices=1")
    assert (answer.status, answer.json["error"].partition(" ")[0]) == (400, "2")


def test_one_answer_is_made_at_a_time_and_kept_for_some_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    running = 0

    async def in_a_thread(work: Any) -> bytes:
        nonlocal running
        running += 1
        assert running == 1
        await asyncio.sleep(0)
        running -= 1
        made.append("once")
        return b"text"

    async def many() -> None:
        kept = Scrapes()
        for _ in range(2):
            answers = [kept.answer(query, "", in_a_thread) for query in ("", "", "devices=1")]
            await asyncio.gather(*answers)
        assert len(made) == 2
        monkeypatch.setattr(scrapes, "KEPT", 0.0)
        await kept.answer("", "", in_a_thread)
        assert len(made) == 3

    asyncio.run(many())


@pytest.mark.usefixtures("at_once")
def test_ready_says_what_fails(monitoring: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = monitoring.call("GET", "readyz")
    assert (answer.status, answer.json["ready"]) == (503, False)
    assert "teller" in answer.json["faults"]
    outages.record_liveness()
    teller = Leader(TELLING)
    assert teller.leads()
    Teller.objects.update_or_create(pk=1, defaults={"ended_at": clock.now() - timedelta(minutes=5)})
    assert set(monitoring.call("GET", "readyz").json["faults"]) == {"teller"}
    Teller.objects.update(ended_at=clock.now())
    answer = monitoring.call("GET", "readyz")
    assert (answer.status, answer.json) == (200, {"ready": True, "faults": {}})
    monkeypatch.setattr(readiness, "newest_migrations", lambda: frozenset({"devices.9999_next"}))
    answer = monitoring.call("GET", "readyz")
    assert (answer.status, set(answer.json["faults"])) == (503, {"migrations"})
    assert "devices.9999_next" in answer.json["faults"]["migrations"]
    teller.resign()


@pytest.mark.django_db
def test_in_one_process_for_all_strangers_find_nothing_either() -> None:
    make_device(make_fleet(make_organization(slug="secret-name")))
    for path in ("/metrics", "/readyz"):  # from 192.0.2.7
        status, _, body = ask(path)
        assert status == 404
        assert b"secret-name" not in body
