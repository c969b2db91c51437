"""The published description: valid, complete, and true of whatever is sent by it."""

from __future__ import annotations

import json
from typing import Any

import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    positive_data_acceptance,
    response_schema_conformance,
    status_code_conformance,
)

from devices.ingest.native import calls as native
from devices.ingest.native.openapi import OPERATIONS, PATH, document
from tests.devices.ingest.client import Client
from tests.devices.ingest.world import World, everything
from tests.examples import examples

schema = schemathesis.openapi.from_dict(document())


def test_anybody_may_read_it(client: Client) -> None:
    answer = client.call("GET", PATH.removeprefix("/api/v1/"))
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json == json.loads(json.dumps(document()))


def test_it_is_valid_and_names_every_call() -> None:
    schema.validate()
    described = {(each.method.upper(), each.path, each.kind) for each in OPERATIONS}
    assert described == {(call.method, call.path, call.kind) for call in native.CALLS if call.path != PATH}


CHECKS: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    positive_data_acceptance,
]


@settings(max_examples=examples(150), suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_whatever_is_sent_by_it_is_answered_by_it(world: World, client: Client, data: st.DataObject) -> None:
    """Good bodies and bad ones: no 5xx, a good one is taken, and what is refused changes nothing."""
    called = data.draw(st.sampled_from(OPERATIONS))
    operation = schema[called.path][called.method]
    mode = data.draw(st.sampled_from(list(GenerationMode)))
    case = data.draw(operation.as_strategy(generation_mode=mode))
    case.headers.clear()
    case.headers["Authorization"] = f"Bearer {getattr(world, f'{called.kind}_key')}"
    before = everything()
    response = case.call(base_url=f"http://127.0.0.1:{client.port}")
    case.validate_response(response, checks=CHECKS)
    if response.status_code >= 400:
        assert everything() == before
