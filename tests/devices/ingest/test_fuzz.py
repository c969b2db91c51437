"""Whatever JSON comes, no call ever fails (5xx), and the connection stays."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devices.operations.reports import as_kept
from tests.devices.ingest.client import Client
from tests.devices.ingest.test_bad_input import BY_PATH, Call
from tests.devices.ingest.world import World
from tests.examples import examples

NAMES = (
    *("os_version", "release", "ip_addresses", "provisioning_state", "provisioning_progress"),
    *("update_status", "update_progress", "metrics", "uuid", "name", "device_type"),
    *("server", "devices", "session", "boot", "connected", "cpu_percent", "memory_used"),
)
# Values that some field takes, so that the good and the bad meet in one body.
GOOD: tuple[Any, ...] = ("a" * 32, "b" * 32, "done", "Post-Provisioning", 0, 100, 2**63 - 1, 1e308)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(GOOD)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES) | st.text(), inner, max_size=4)
    ),
    max_leaves=12,
)
bodies = st.dictionaries(st.sampled_from(NAMES), values, max_size=6).map(
    lambda body: json.dumps(body).encode()
)
raw = st.binary(max_size=200) | bodies.map(lambda body: body[:-1])


@settings(max_examples=examples(150), suppress_health_check=list(HealthCheck))
@given(call=st.sampled_from(sorted(BY_PATH.values(), key=lambda c: c.path)), body=bodies | raw)
def test_no_body_makes_a_call_fail(world: World, client: Client, call: Call, body: bytes) -> None:
    answer = client.call(call.method, call.path, getattr(world, call.key), body)
    assert answer.status in {200, 201, 204, 400, 409}
    if answer.status >= 400:
        assert set(answer.json) == {"error", "field"}
    else:
        json.loads(answer.text or "null")


@settings(max_examples=examples(100), suppress_health_check=list(HealthCheck))
@given(report=st.data())
def test_a_good_report_is_always_taken(world: World, client: Client, report: Any) -> None:
    texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=255)
    percent = st.none() | st.integers(0, 100)
    amount = st.none() | st.integers(0, 2**63 - 1)
    measure = st.none() | st.floats(allow_nan=False, allow_infinity=False)
    fields = {
        "os_version": texts,
        "target_release": texts,
        "mac_addresses": st.lists(texts, max_size=8),
        "provisioning_state": texts,
        "provisioning_progress": percent,
        "update_status": st.sampled_from(["rejected", "downloading", "applying changes", "done"]),
        "update_progress": percent,
        "metrics": st.fixed_dictionaries(
            {}, optional={"temperature": measure, "memory_total": amount, "cpu_percent": measure}
        ),
    }
    body = report.draw(st.fixed_dictionaries({}, optional=fields))
    assert client.call("PATCH", "report", world.device_key, body).status == 204
    world.device.refresh_from_db()
    taken = {name: getattr(world.device, name) for name in body if name != "metrics"}
    assert taken == as_kept({name: body[name] for name in taken})
