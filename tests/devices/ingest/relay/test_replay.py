"""Every recorded call of a real API, through the relay: unchanged both ways, and what it proves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

import pytest

from devices.ingest.relay.observations import (
    Links,
    Observation,
    Poll,
    Refusal,
    Registration,
    Report,
    ServerSign,
    ServerStart,
)
from devices.ingest.relay.paths import call_of
from devices.ingest.relay.proofs import Proofs
from tests.devices.ingest.relay.alone import Alone, relaying
from tests.devices.ingest.relay.recordings import FOLDER, Recording, recording
from tests.devices.ingest.relay.upstream import Upstream, upstream

NAMES: Final = sorted(path.stem for path in FOLDER.glob("*.json"))
HOUR: Final = 3600


HERE: Final = "127.0.0.1"
REAL: Final = "b36265c2db054b38a88c54510ce6cd52"
VERSIONS: Final = {"os_version": "balenaOS 6.5.24", "supervisor_version": "19.0.5"}
MACS: Final = ["02:FC:00:00:00:01", "FA:3C:BE:22:DD:AE", "B2:0C:EB:C9:FD:3C"]


def uuid(digit: str) -> str:
    return f"a{'0' * 30}{digit}"


# What is concluded of each recording alone; of those that are not named: nothing.
CONCLUDED: Final[dict[str, Observation]] = {
    "client-connect-200": Links(1, (uuid("2"), uuid("5"), uuid("6"), uuid("c")), connected=True),
    "client-connect-200-unknown": Links(1, (f"a{'0' * 29}5a",), connected=True),
    "client-disconnect-200": Links(1, (uuid("c"),), connected=False),
    "client-disconnect-200-other-server": Links(99999, (uuid("2"),), connected=False),
    "register-201": Registration(
        uuid("2"),
        3,
        1,
        "raspberrypi4-64",
        {
            "os_version": "balenaOS 6.5.24",
            "supervisor_version": "19.0.5",
            "mac_addresses": ["02:00:00:00:00:02"],
        },
    ),
    "register-201-form": Registration(
        uuid("3"),
        18,
        1,
        "raspberrypi4-64",
        {"os_version": "balenaOS 6.5.24", "supervisor_version": "19.0.5", "mac_addresses": []},
    ),
    "register-201-query-key": Registration(
        uuid("4"),
        5,
        1,
        "raspberrypi4-64",
        {"os_version": "", "supervisor_version": "", "mac_addresses": []},
    ),
    "service-instance-patch": ServerSign(1),
    "service-instance-patch-unknown": ServerSign(99999),
    "service-instance-post": ServerStart(1, "127.0.0.1"),
    "state-patch-v3-200": Report(
        uuid("2"),
        {
            "os_version": "balenaOS 6.5.24",
            "supervisor_version": "19.0.5",
            "provisioning_state": "",
            "ip_addresses": ["192.0.2.2", "2001:db8::2"],
            "mac_addresses": ["02:00:00:00:00:02"],
            "provisioning_progress": None,
            "metrics": {
                "cpu_percent": 7,
                "temperature": 48,
                "memory_used": 812 << 20,
                "memory_total": 3881 << 20,
                "storage_used": 3 << 20,
                "storage_total": 28 << 20,
                "undervolted": False,
            },
        },
    ),
    "state-patch-v3-200-updating": Report(
        uuid("9"),
        {
            "update_status": "downloading",
            "update_progress": 26,
            "release": "000000000000000000000000000000000c0ffee1",
        },
    ),
    "state-patch-v3-401-other-key": Refusal(uuid("2")),
    "state-patch-v3-401-unknown": Refusal(f"a{'0' * 29}5a"),
    "state-patch-v3-deleted": Refusal(uuid("b")),
    "state-v2-200": Poll(uuid("2"), HOUR, HERE),
    "state-v2-200-query-key": Poll(uuid("2"), HOUR, HERE),
    "state-v2-304": Poll(uuid("2"), None, HERE),
    "state-v3-200": Poll(uuid("2"), HOUR, HERE),
    "state-v3-200-1kb": Poll(uuid("a"), HOUR, HERE),
    "state-v3-200-both-intervals": Poll(f"{'0' * 30}b1", 600, HERE),  # by the name that the API counts by
    "state-v3-200-device-interval": Poll(uuid("4"), 20, HERE),
    "state-v3-200-gzip": Poll(uuid("a"), HOUR, HERE),
    "state-v3-304": Poll(uuid("2"), None, HERE),
    "state-v3-304-gzip": Poll(uuid("2"), None, HERE),
    "state-v3-401-bad-key": Refusal(uuid("2")),
    "state-v3-401-other-device": Refusal(uuid("4")),
    "supervisor19-01-post-device-register-201": Registration(
        REAL, 10020, 2, "intel-nuc", {**VERSIONS, "mac_addresses": MACS}
    ),
    "supervisor19-02-get-device-v3-state-200": Poll(REAL, 20, HERE),
    "supervisor19-05-patch-device-v3-state-200": Report(
        REAL,
        {
            **VERSIONS,
            "provisioning_state": "",
            "provisioning_progress": None,
            "ip_addresses": ["192.0.2.2", "fd00::2"],
            "mac_addresses": MACS,
            "metrics": {
                "cpu_percent": 96,
                "temperature": 0,
                "memory_used": 1213 << 20,
                "memory_total": 24105 << 20,
                "undervolted": False,
            },
        },
    ),
    "supervisor19-07-get-device-v3-state-304": Poll(REAL, None, HERE),
}
# What is concluded of recordings one after the other, the last of them: keys are proved before.
AFTER: Final[dict[tuple[str, ...], Observation | None]] = {
    # A user reads what the device reads, with a key that proved nothing.
    ("state-v3-200", "state-v3-200-by-user"): None,
    # The key of one device reads and reports for another: 401, and no line about that other one.
    ("state-v3-200", "state-v3-401-other-device"): None,
    # 200 to strangers, and to the owner.
    ("state-v3-200-device-interval", "state-patch-v2-200-other-key"): None,
    ("old-poll", "state-patch-v2-200"): Report(
        uuid("d"),
        {
            "os_version": "balenaOS 6.5.24",
            "supervisor_version": "14.13.14",
            "ip_addresses": ["192.0.2.13"],
            "metrics": {"memory_used": 500 << 20, "memory_total": 8000 << 20},
            "release": "",
            "update_status": "",
            "update_progress": None,
        },
    ),
    ("flasher-register", "flasher-patch-v6-key-200"): Report(
        uuid("7"), {"provisioning_progress": 40, "provisioning_state": "Flashing"}
    ),
    ("flasher-register", "flasher-patch-v6-filter-200"): Report(
        uuid("7"), {"provisioning_progress": 41, "provisioning_state": "Flashing"}
    ),
    ("flasher-register", "flasher-patch-v6-unknown-200"): None,
    # A name is read by the mirror.
    ("state-v3-200", "device-patch-name-200"): None,
    # A key that was refused proves nothing any more.
    ("flasher-register", "flasher-refused", "flasher-patch-v6-key-200"): None,
}
# Recordings that are made of others, by replacing what tells devices and keys apart.
MADE: Final[dict[str, tuple[Any, ...]]] = {
    "old-poll": (
        "state-v2-200",
        (b"a0000000000000000000000000000002", b"a000000000000000000000000000000d"),
        (b"devicekey00000000000000000000002", b"devicekey00000000000000000000013"),
    ),
    "flasher-register": ("register-201-form", (b"00000003", b"00000007")),
    "flasher-refused": (
        "state-v3-401-bad-key",
        (b"00000002", b"00000007"),
        (b"nonsense", b"devicekey00000000000000000000007"),
    ),
}


@pytest.fixture(scope="module")
def everything() -> Iterator[tuple[Upstream, Alone]]:
    with upstream() as api, relaying(api.port) as relay:
        yield api, relay


@pytest.fixture
def api(everything: tuple[Upstream, Alone]) -> Upstream:
    everything[0].sent = []
    return everything[0]


@pytest.fixture
def relay(everything: tuple[Upstream, Alone]) -> Alone:
    relay = everything[1]
    relay.seen, relay.relay._proofs = [], Proofs()
    return relay


def is_relayed(recorded: Recording) -> bool:
    return call_of(recorded.method, recorded.target.partition("?")[0]) is not None


@pytest.mark.parametrize("name", NAMES)
def test_a_recorded_call_passes_unchanged(relay: Alone, api: Upstream, name: str) -> None:
    recorded = recording(name)
    api.answers = [recorded.answer]
    answer = relay.call(recorded.request)
    if not is_relayed(recorded):
        assert (answer.status, api.sent, relay.seen) == (421, [], [])
        return
    (sent,) = api.sent
    assert sent.line == f"{recorded.method} {recorded.target} HTTP/1.1"
    assert sent.names["host"] == "api.example"
    ours = [(key.lower(), value) for key, value in sent.headers if key not in {"host", "content-length"}]
    assert ours == recorded.sent_headers
    assert sent.body == recorded.sent_body
    assert answer.status == recorded.status
    assert [pair for pair in answer.headers if pair[0] != "transfer-encoding"] == recorded.headers
    assert (answer.body, answer.framing) == (recorded.body, recorded.framing)
    assert relay.seen == ([CONCLUDED[name]] if name in CONCLUDED else [])


def test_every_conclusion_is_of_a_recording() -> None:
    assert CONCLUDED.keys() <= {*NAMES}


@pytest.mark.parametrize("names", AFTER)
def test_a_key_counts_for_what_it_was_proved_for(relay: Alone, api: Upstream, names: tuple[str, ...]) -> None:
    for name in names:
        recorded = made(name) or recording(name)
        relay.seen, api.answers = [], [recorded.answer]
        relay.call(recorded.request)
    expected = AFTER[names]
    assert relay.seen == ([expected] if expected else [])


def made(name: str) -> Recording | None:
    """A recording of another device, changed to be of one of MADE; None: it is none of these."""
    if name not in MADE:
        return None
    like, *changes = MADE[name]
    recorded = recording(like)
    request, answer = recorded.request, recorded.answer
    for before, after in changes:
        request, answer = request.replace(before, after), answer.replace(before, after)
    return replace(recorded, request=request, answer=answer)
