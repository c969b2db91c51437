"""Whatever comes, no call fails (5xx), and what is refused has changed nothing."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fleets.text import kept
from tests.devices.ingest.client import Client
from tests.devices.ingest.world import World, everything
from tests.examples import examples

NAMES = (
    *("status", "os_version", "os_variant", "supervisor_version", "provisioning_state", "api_secret"),
    *("provisioning_progress", "ip_address", "mac_address", "api_port", "cpu_usage", "cpu_temp"),
    *("memory_usage", "storage_total", "is_undervolted", "cpu_id", "apps", "releases", "services"),
    *("release_uuid", "update_status", "download_progress", "releaseId", "image", "local"),
    *("application", "uuid", "device_type", "api_key", "apiKey", "device", "name", "value"),
    *("device_name", "BALENA_SUPERVISOR_POLL_INTERVAL", "RESIN_SUPERVISOR_VPN_CONTROL"),
    *("serviceId", "uuids", "connected", "is_alive", "a" * 32, "b" * 32),
)
# Values that some field takes, so that the good and the bad meet in one body.
GOOD: tuple[Any, ...] = (
    *("a" * 32, "b" * 32, "c" * 62, "prod", "Downloading", "downloading", "Post-Provisioning", "true"),
    *(0, 1, 50, 100, 2**31, 2**63 - 1, 10**30, -1, 1e308, 33.3),
)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(GOOD)
names = st.sampled_from(NAMES) | st.text()
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=6),
    max_leaves=20,
)
objects = st.dictionaries(names, values, max_size=8)
# As a report's body is built: under the UUID, or under `local`.
wrapped = st.builds(lambda key, inner: {key: inner}, st.sampled_from(("a" * 32, "local")), objects)
bodies = (objects | wrapped).map(lambda body: json.dumps(body).encode())
forms = st.dictionaries(names, scalars, max_size=8).map(
    lambda form: urlencode(form, errors="replace").encode()
)
raw = forms | st.binary(max_size=200) | bodies.map(lambda body: body[:-1])

KINDS = ("application/json", "application/x-www-form-urlencoded")

DEVICE = "a" * 32
FILTER = f"$filter=uuid%20eq%20'{DEVICE}'"
CALLS = [
    ("POST", "device/register", "provisioning_key"),
    ("GET", f"v7/device?{FILTER}", "device_key"),
    ("POST", "api-key/device/{id}/device-key", "provisioning_key"),
    ("POST", "v7/device_config_variable", "device_key"),
    ("PATCH", "v7/device({id})", "device_key"),
    ("GET", f"device/v3/{DEVICE}/state", "device_key"),
    ("PATCH", "device/v3/state", "device_key"),
    ("PATCH", f"device/v2/{DEVICE}/state", "device_key"),
    ("PATCH", f"v6/device?{FILTER}", "device_key"),
    ("PATCH", f"v6/device(uuid='{DEVICE}')", "device_key"),
    ("POST", "v7/service_instance", "service_key"),
    ("PATCH", "v7/service_instance(1)", "service_key"),
    ("POST", "services/vpn/client-connect", "service_key"),
    ("POST", "services/vpn/client-disconnect", "service_key"),
    ("POST", f"device/v2/{DEVICE}/log-stream", "device_key"),
]


@pytest.fixture
def paths(world: World) -> dict[str, str]:
    return {path: path.format(id=world.device.pk) for _, path, _ in CALLS}


@settings(max_examples=examples(150), suppress_health_check=list(HealthCheck))
@given(call=st.sampled_from(CALLS), body=bodies | raw, kind=st.sampled_from(KINDS))
def test_no_body_makes_a_call_fail(
    world: World, client: Client, paths: dict[str, str], call: tuple[str, str, str], body: bytes, kind: str
) -> None:
    method, path, key = call
    before = everything()
    answer = client.call(method, paths[path], getattr(world, key), body, **{"Content-Type": kind})
    assert answer.status in {200, 201, 400, 401, 409}
    if answer.status >= 400:
        assert everything() == before
    elif answer.text:
        json.loads(answer.text)


number = st.none() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False)
text = st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=400)
service = st.fixed_dictionaries(
    {}, optional={"status": text | st.just("Downloading"), "download_progress": number, "image": text}
)
update_status = st.sampled_from([None, "downloading", "applying changes", "done", "rejected"])
release = st.fixed_dictionaries(
    {},
    optional={"update_status": update_status, "services": st.dictionaries(st.text(), service, max_size=3)},
)
app = st.fixed_dictionaries(
    {}, optional={"release_uuid": text, "releases": st.dictionaries(st.text(), release, max_size=3)}
)
state = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(["status", "os_version", "supervisor_version", "provisioning_state"], text),
        **dict.fromkeys(["ip_address", "mac_address", "cpu_id", "api_secret"], text),
        **dict.fromkeys(["provisioning_progress", "cpu_usage", "cpu_temp", "memory_usage"], number),
        "is_undervolted": st.none() | st.booleans(),
        "os_variant": st.sampled_from([None, "prod", "dev"]),
        "apps": st.none() | st.dictionaries(st.text(), app, max_size=3),
    },
)


@settings(max_examples=examples(100), suppress_health_check=list(HealthCheck))
@given(said=state)
def test_a_good_report_is_always_taken(world: World, client: Client, said: dict[str, Any]) -> None:
    try:
        body = json.dumps({DEVICE: said}, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # a lone surrogate as a key
        return
    assert client.call("PATCH", "device/v3/state", world.device_key, body).status == 200
    world.device.refresh_from_db()
    assert world.device.update_progress is None or 0 <= world.device.update_progress <= 100
    if "os_version" in said:
        assert world.device.os_version == kept((said["os_version"] or "")[:70])
