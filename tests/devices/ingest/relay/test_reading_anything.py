"""Bodies of any kind, of calls and of answers: they prove nothing or something, and never fail a call."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.ingest.relay.hosts import Target
from devices.ingest.relay.passing import Exchange
from devices.ingest.relay.paths import Call, Kind
from devices.ingest.relay.pool import Address
from devices.ingest.relay.relay import Relay
from tests.devices.ingest.raw import scope

UUID = "a" * 32
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([UUID, "local", "apps", "config", "id", "uuids", "serviceId", "status"])
            | st.text(),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
BODY = st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()) | st.none()
ANSWER = BODY | BODY.map(lambda body: gzip.compress(body or b""))
ENCODING = st.sampled_from(["", "gzip", "br"])
FORM = st.sampled_from(["application/json", "application/x-www-form-urlencoded", "text/plain"])


@given(
    kind=st.sampled_from(Kind),
    status=st.sampled_from([200, 201, 304, 401, 500]),
    bodies=st.tuples(BODY, ANSWER),
    types=st.tuples(FORM, ENCODING),
    number=st.integers(0, 10**18),
)
def test_a_body_of_any_kind_fails_nothing(
    kind: Kind,
    status: int,
    bodies: tuple[bytes | None, bytes | None],
    types: tuple[str, str],
    number: int,
) -> None:
    relay = Relay()
    asked: Any = scope("PATCH", "/", "a key", user_agent="Supervisor/19", content_type=types[0])
    headers = [(b"ETag", b"x"), *([(b"Content-Encoding", types[1].encode())] if types[1] else [])]
    exchange = Exchange(asked, bodies[0], status, headers, bodies[1])
    with pytest.MonkeyPatch.context() as patch:
        seen: list[Any] = []
        patch.setattr(relay.backlog, "add", seen.append)
        relay._conclude(Target(1, Address("api", 80, secure=False)), Call(kind, UUID, number), exchange)
    assert len(seen) <= 1


@pytest.mark.parametrize("size", [5_000_000, 50_000_000])
def test_a_packed_answer_does_not_unpack_without_end(size: int) -> None:
    relay = Relay()
    asked: Any = scope("GET", "/", "a key", user_agent="Supervisor/19")
    packed = gzip.compress(b'{"%b": "' % UUID.encode() + bytes(size))
    exchange = Exchange(asked, b"", 200, [(b"content-encoding", b"gzip")], packed)
    relay._conclude(Target(1, Address("api", 80, secure=False)), Call(Kind.POLL, UUID), exchange)
    (found,) = (seen for seen, _ in relay.backlog._waiting)
    assert found.observation.interval is None  # type: ignore[union-attr]
