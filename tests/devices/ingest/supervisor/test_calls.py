"""Reports and the odds and ends over HTTP: what they write, whom they refuse (protocol.md)."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest

from devices import keys
from devices.ingest.supervisor.calls import LISTS
from devices.models import Device, Heartbeat
from devices.operations import lifecycle
from tests.devices.ingest.client import Answer, Client
from tests.devices.ingest.world import World, everything

NO_OBJECT = (b"{", b"nonsense", b"[]", b"null", b"7", b" ", b'{"x": ' + b"[" * 100_000)
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def report(client: Client, form: int, device: Device, key: str | None, said: Any) -> Answer:
    if form == 3:
        return client.call("PATCH", "device/v3/state", key, {device.uuid: said})
    return client.call("PATCH", f"device/v2/{device.uuid}/state", key, {"local": said})


def flash(client: Client, device: Device, key: str | None, **fields: str) -> Answer:
    path = f"v{fields.pop('version', '6')}/device?$filter=uuid%20eq%20'{device.uuid}'"
    return client.call("PATCH", path, key, urlencode(fields).encode(), **FORM)


every_form = pytest.mark.parametrize("form", [2, 3])


@every_form
def test_a_report_is_written_and_is_no_poll(world: World, client: Client, form: int) -> None:
    said = {"os_version": "6", "provisioning_progress": 5, "ip_address": "192.0.2.7 192.0.2.8"}
    said |= {"memory_usage": 100, "api_secret": "hidden", "apps": {}}
    answer = report(client, form, world.device, world.device_key, said)
    assert (answer.status, answer.text) == (200, "")
    world.device.refresh_from_db()
    assert (world.device.os_version, world.device.provisioning_progress) == ("6", 5)
    assert world.device.ip_addresses == ["192.0.2.7", "192.0.2.8"]
    assert world.device.metrics == {"memory_used": 100 * 1024 * 1024}
    assert world.device.last_contact_at is not None
    assert not Heartbeat.objects.exists()
    assert "hidden" not in str(everything())


@every_form
def test_who_may_not_report(world: World, client: Client, form: int) -> None:
    stranger_key = keys.new_device_key(world.stranger)
    before = everything()
    for key in (None, "nonsense", world.provisioning_key, world.service_key, stranger_key):
        for said in ({"os_version": "6"}, {"os_version": 6}):
            assert report(client, form, world.device, key, said).status in {400, 401}
        assert report(client, form, world.device, key, {"os_version": "6"}).status == 401
    assert everything() == before


@every_form
def test_a_frozen_device_s_report_is_refused(world: World, client: Client, form: int) -> None:
    Device.objects.filter(pk=world.device.pk).update(frozen_reason="unpaid")
    before = everything()
    for said in ({"os_version": "6"}, {"os_version": 6}):
        assert report(client, form, world.device, world.device_key, said).status == 401
    assert flash(client, world.device, world.device_key, status="x").status == 401
    assert everything() == before


@pytest.mark.parametrize(("form", "status"), [(3, 401), (2, 200)])
def test_a_deleted_device_s_report(world: World, client: Client, form: int, status: int) -> None:
    lifecycle.delete(device=world.device, actor=None)
    before = everything()
    assert report(client, form, world.device, world.device_key, {"os_version": "6"}).status == status
    assert report(client, form, world.stranger, world.device_key, {"os_version": "6"}).status == 401
    assert everything() == before


BAD: list[tuple[Any, str]] = [
    *(({name: 6}, name) for name in ("status", "os_version", "provisioning_state", "ip_address")),
    *(({name: "a\0b"}, name) for name in ("status", "supervisor_version", "mac_address", "cpu_id")),
    *(
        ({name: value}, name)
        for name in ("provisioning_progress", "cpu_usage", "memory_total", "api_port")
        for value in ("50", "", True, [50])
    ),
    ({"os_variant": "test"}, "os_variant"),
    ({"is_undervolted": 0}, "is_undervolted"),
    ({"apps": []}, "apps"),
    ({"apps": {"1": []}}, "apps[...]"),
    ({"apps": {"1": {"services": 5, "releases": 5}}}, ""),
]


@every_form
def test_bad_reports(world: World, client: Client, form: int) -> None:
    assert report(client, form, world.device, world.device_key, {}).status == 200
    before, port = everything(), client.local_port
    for said, field in BAD:
        answer = report(client, form, world.device, world.device_key, {"os_version": "6", **said})
        named = answer.json["field"].removeprefix("local.")
        assert (answer.status, named) == (400, field or named), said
    path = "device/v3/state" if form == 3 else f"device/v2/{world.device.uuid}/state"
    for body in NO_OBJECT:
        answer = client.call("PATCH", path, world.device_key, body)
        assert (answer.status, answer.json["field"]) == (400, "body"), body
    assert client.call("PATCH", path, "nonsense", b"{").status == 401
    assert client.local_port == port
    assert everything() == before


V3_BAD: list[tuple[Any, str]] = [
    ({"releases": {"c": {"update_status": "exploding"}}}, "update_status"),
    ({"releases": {"c": {"services": {"s": {"download_progress": "5"}}}}}, "download_progress"),
    ({"releases": {"c": {"services": {"s": {"status": 5}}}}}, "status"),
    ({"releases": {"c": {"services": []}}}, "services"),
    ({"release_uuid": 5}, "release_uuid"),
]


def test_bad_apps(world: World, client: Client) -> None:
    before = everything()
    for app, field in V3_BAD:
        answer = report(client, 3, world.device, world.device_key, {"os_version": "6", "apps": {"1": app}})
        assert (answer.status, answer.json["field"].rpartition(".")[2]) == (400, field)
    both: dict[str, Any] = {world.device.uuid: {}, world.stranger.uuid: {}}
    bad: list[Any] = [{}, both, {"x": {}}, {world.device.uuid.upper(): {}}, {world.device.uuid: []}]
    for body in bad:
        answer = client.call("PATCH", "device/v3/state", world.device_key, body)
        assert (answer.status, answer.json["field"]) == (400, "body"), body
    assert everything() == before


@pytest.mark.parametrize("version", ["5", "6", "7"])
def test_a_flasher_reports(world: World, client: Client, version: str) -> None:
    fields = {"provisioning_progress": "40", "provisioning_state": "Flashing", "status": "configuring"}
    answer = flash(client, world.device, world.device_key, version=version, **fields)
    assert (answer.status, answer.text) == (200, "")
    world.device.refresh_from_db()
    assert (world.device.provisioning_progress, world.device.provisioning_state) == (40, "Flashing")
    assert world.device.recorded_status == "configuring"
    assert flash(client, world.device, world.device_key, provisioning_state="Post-Provisioning").status == 200
    world.device.refresh_from_db()
    assert (world.device.provisioning_progress, world.device.recorded_status) == (40, "post-provisioning")
    ended = {"provisioning_progress": "", "provisioning_state": ""}
    assert flash(client, world.device, world.device_key, **ended).status == 200
    world.device.refresh_from_db()
    assert (world.device.provisioning_progress, world.device.provisioning_state) == (None, "")


@pytest.mark.parametrize(
    ("told", "kept"), [("140", 100), ("-1", 0), ("40.5", 41), ("40.0", 40), ("null", None), ("0", 0)]
)
def test_progress_in_a_form(world: World, client: Client, told: str, kept: int | None) -> None:
    assert flash(client, world.device, world.device_key, provisioning_progress=told).status == 200
    world.device.refresh_from_db()
    assert world.device.provisioning_progress == kept


def test_bad_forms(world: World, client: Client) -> None:
    before = everything()
    for told in ("x", "nan", "inf", "1e3", "9" * 400, " "):
        answer = flash(client, world.device, world.device_key, provisioning_progress=told)
        assert (answer.status, answer.json["field"]) == (400, "provisioning_progress"), told
    answer = flash(client, world.device, world.device_key, provisioning_state="a\0b")
    assert (answer.status, answer.json["field"]) == (400, "provisioning_state")
    path = f"v6/device?$filter=uuid%20eq%20'{world.device.uuid}'"
    assert client.call("PATCH", path, world.device_key, b"status=\xff", **FORM).status == 400
    for query in ("", "?$filter=id%20eq%201"):
        answer = client.call("PATCH", f"v6/device{query}", world.device_key, b"status=x", **FORM)
        assert (answer.status, answer.json["field"]) == (400, "$filter")
    assert flash(client, world.stranger, world.device_key, status="x").status == 401
    assert flash(client, world.device, world.provisioning_key, status="x").status == 401
    assert everything() == before


# Odds and ends


def test_anybody_may_ask_whether_we_are_there(world: World, client: Client) -> None:
    checked = client.call("GET", "connectivity-check")
    assert (checked.status, checked.text) == (204, "")
    answer = client.call("GET", "ping")
    assert (answer.status, answer.text) == (200, "OK")
    assert answer.headers["content-type"].startswith("text/plain")


def test_a_device_s_tags_are_refused_so_that_it_does_not_believe_them_kept(
    world: World, client: Client
) -> None:
    before = everything()
    for key in (world.device_key, "nonsense", None):
        answer = client.call("PATCH", "device/v3/tags", key, {world.device.uuid: {"place": "door"}})
        assert (answer.status, answer.json["field"], answer.headers["allow"]) == (405, "method", "")
    assert everything() == before


@pytest.mark.parametrize("version", ["5", "6", "7"])
@pytest.mark.parametrize("name", LISTS)
def test_what_is_not_kept_is_an_empty_list(world: World, client: Client, name: str, version: str) -> None:
    path = f"v{version}/{name}?$select=id&$filter=device%20eq%20{world.device.pk}"
    answer = client.call("GET", path, world.device_key)
    assert (answer.status, answer.json) == (200, {"d": []})
    assert client.call("GET", path, world.provisioning_key).status == 401


def test_head_says_what_get_would(world: World, client: Client) -> None:
    for path in ("ping", "connectivity-check", f"device/v3/{world.device.uuid}/state", "os/v1/config"):
        told, body = (client.call(method, path, world.device_key) for method in ("HEAD", "GET"))
        assert (told.status, told.text) == (body.status, "")
        assert told.headers | {"date": ""} == body.headers | {"date": ""}


def test_logs_are_read_to_their_end_and_dropped(world: World, client: Client) -> None:
    before, path = everything(), f"device/v2/{world.device.uuid}/log-stream"
    chunks = (b"x" * 50_000 for _ in range(40))  # far more than any other body may have
    answer = client.stream("POST", path, world.device_key, chunks)
    assert (answer.status, answer.text) == (201, "")
    assert client.call("POST", path, "nonsense", b"x").status == 401
    other = f"device/v2/{world.stranger.uuid}/log-stream"
    assert client.call("POST", other, world.device_key, b"x").status == 401
    assert everything() == before


def test_paths_and_methods(world: World, client: Client) -> None:
    for method, path, allow in (
        ("POST", f"device/v3/{world.device.uuid}/state", "GET, HEAD"),
        ("DELETE", f"device/v2/{world.device.uuid}/state", "GET, HEAD, PATCH"),
        ("POST", "v6/device?$filter=x", "PATCH, GET, HEAD"),
        ("GET", f"v7/device({world.device.pk})", "PATCH"),
    ):
        answer = client.call(method, path, world.device_key)
        assert (answer.status, answer.headers["allow"]) == (405, allow)
    for path in ("v4/device", "v8/device", "device/v3//state", "device/v4/x/state", "v7/device(x)", "ping/"):
        assert client.call("GET", path, world.device_key).status == 404
