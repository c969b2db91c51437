"""Rate limits: they stop what floods, never a fleet that behaves, and cost neither database nor memory."""

from __future__ import annotations

import tracemalloc
from dataclasses import dataclass, field

import pytest

from devices.ingest.app import Ingest
from devices.ingest.http import Refused
from devices.ingest.rate_limits import (
    BUCKETS,
    CALLS,
    FAILURES,
    SERVES,
    Buckets,
    Kind,
    RateLimits,
    Size,
    origin,
)
from tests.devices.ingest import raw
from tests.devices.ingest.client import Answer
from tests.devices.ingest.world import World, everything

NAT = "198.51.100.1"


@dataclass
class Gate:
    """Rate limits with a clock of their own, in front of keys that are good if they say so."""

    rate_limits: RateLimits = field(default_factory=RateLimits)
    now: float = 1000.0

    def call(
        self,
        key: str,
        address: str = NAT,
        kind: Kind = Kind.DEVICE,
        status: int = 0,
        *,
        known: bool = False,
        checks_key: bool = False,
    ) -> int:
        try:
            self.rate_limits.check(key, address, kind, self.now, checks_key=checks_key)
        except Refused as refusal:
            return refusal.status
        status = status or (200 if key.startswith("good") else 401)
        self.rate_limits.note(key, address, kind, self.now, status, known=known, checks_key=checks_key)
        return status

    def calls(self, number: int, key: str, kind: Kind = Kind.DEVICE, status: int = 0) -> list[int]:
        return [self.call(key, kind=kind, status=status) for _ in range(number)]


def test_a_bucket_gives_its_burst_then_its_rate() -> None:
    buckets = Buckets(Size(rate=10, burst=300))
    for _ in range(300):
        assert not buckets.is_empty("a", 7)
        buckets.take("a", 7)
    assert buckets.is_empty("a", 7)
    assert not buckets.is_empty("b", 7)
    assert buckets.is_empty("a", 7.04)
    for moment in (7.1, 7.2, 7.3):
        assert not buckets.is_empty("a", moment)
        buckets.take("a", moment)
        assert buckets.is_empty("a", moment)
    for _ in range(300):
        assert not buckets.is_empty("a", 100)
        buckets.take("a", 100)
    assert buckets.is_empty("a", 100)


def test_who_takes_more_than_there_is_waits_no_longer_than_for_an_empty_bucket() -> None:
    buckets = Buckets(Size(rate=1, burst=10))
    for _ in range(5):
        buckets.take("a", 0, tokens=50)
    assert buckets.is_empty("a", 0.4)
    assert not buckets.is_empty("a", 1)


def test_full_buckets_are_forgotten_and_emptied_ones_never_for_them() -> None:
    buckets = Buckets(Size(rate=1, burst=10), limit=100)
    buckets.take("greedy", 0, tokens=10)
    for number in range(1000):
        buckets.take(number, 0)
        assert len(buckets) <= 100
    assert buckets.is_empty("greedy", 0)
    for number in range(200):
        buckets.take(number, 20)
    assert len(buckets) == 98  # without the greedy one, full again at 10, and what was full at 20
    assert not buckets.is_empty("greedy", 20)


def test_a_key_that_calls_without_end_is_stopped_and_no_other() -> None:
    gate = Gate()
    rate, burst = CALLS[Kind.DEVICE]
    answers = gate.calls(burst + 1000, "good-wild")
    assert answers == [200] * burst + [429] * 1000
    assert gate.call("good-other") == 200
    gate.now += 10
    assert gate.calls(100, "good-wild").count(200) == 10 * rate


def test_a_fleet_of_thousands_behind_one_address_is_never_stopped() -> None:
    """Five thousand at the shortest interval, each with a report, some deleted meanwhile, all at once."""
    gate = Gate()
    fleet = [f"good-{number}" for number in range(5000)]
    stopped = [gate.call("good-provisioning", kind=Kind.PROVISIONING) for _ in fleet].count(429)
    deleted = [f"deleted-{number}" for number in range(40)]
    for _ in range(18):  # three minutes
        stopped += [gate.call(key) for key in [*fleet, *fleet, *deleted]].count(429)
        gate.now += 10
    assert stopped == 0


def test_wrong_keys_from_one_address_are_stopped_and_no_key_that_was_accepted() -> None:
    gate = Gate()
    assert gate.call("good-before") == 200
    flood = [gate.call(f"wrong-{number}") for number in range(2000)]
    assert flood == [401] * FAILURES.burst + [429] * (2000 - FAILURES.burst)
    assert gate.call("good-before") == 200  # its neighbour behind the same address
    assert gate.call("good-new") == 429  # who can tell it from the flood without looking it up?
    assert gate.call("wrong", "203.0.113.9") == 401
    gate.now += 1
    assert gate.call("good-new") == 200
    again = [gate.call(f"wrong-{number}") for number in range(100)]
    assert again.count(401) == FAILURES.rate


def test_a_key_that_is_accepted_no_more_counts_as_any_other() -> None:
    gate = Gate()
    assert gate.call("good") == 200
    for number in range(FAILURES.burst):
        gate.call(f"wrong-{number}")
    assert gate.call("good", status=401) == 401  # revoked meanwhile
    assert gate.call("good", status=401) == 429


def test_a_live_key_is_no_failure_of_its_address_whatever_it_is_refused() -> None:
    """Eleven frozen devices that report for an hour, every call refused, and their neighbours."""
    gate = Gate()
    for _ in range(3600 // 15):
        for number in range(11):
            assert gate.call(f"frozen-{number}", status=401, known=True) == 401
        gate.now += 15
    assert gate.call("good-new") == 200
    for number in range(FAILURES.burst):
        gate.call(f"wrong-{number}")
    assert gate.call("good-newer") == 429
    assert gate.call("frozen-1", status=401, known=True) == 401  # and is not stopped for its neighbours'


def test_good_calls_and_bad_bodies_are_no_failures_of_an_address() -> None:
    gate = Gate()
    for number in range(2 * FAILURES.burst):
        for status in (200, 400, 403, 404, 413, 503):
            assert gate.call(f"good-{number}", status=status) == status
    assert gate.call("wrong") == 401


def test_conflicts_wear_out_the_key_they_come_with() -> None:
    """A key from somebody's card does not find out which UUIDs are taken."""
    gate = Gate()
    answers = gate.calls(1000, "good-stolen", Kind.PROVISIONING, status=409)
    assert answers.count(409) < 130
    assert gate.call("good-other", kind=Kind.PROVISIONING) == 200


@pytest.mark.parametrize(
    ("address", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("198.51.100.1", "198.51.100.2", False),
    ],
)
def test_one_site_has_one_address(address: str, other: str, *, same: bool) -> None:
    assert (origin(address) == origin(other)) is same


def test_a_caller_on_a_socket_has_no_address_to_be_stopped_by() -> None:
    gate = Gate()
    assert {gate.call(f"wrong-{number}", "") for number in range(2 * FAILURES.burst)} == {401}


def test_a_vpn_server_may_ask_about_any_number_of_strangers() -> None:
    gate = Gate()
    assert gate.call("good-service", kind=Kind.SERVICE) == 200
    asked = [gate.call(f"wrong-{number}", checks_key=True) for number in range(2 * FAILURES.burst)]
    assert set(asked) == {401}
    assert gate.call("good-new", checks_key=True) == 200


def test_refused_keys_of_any_other_call_from_a_vpn_servers_address_count() -> None:
    gate = Gate()
    assert gate.call("good-service", kind=Kind.SERVICE) == 200
    answers = [gate.call(f"wrong-{number}") for number in range(FAILURES.burst + 100)]
    assert answers == [401] * FAILURES.burst + [429] * 100
    assert gate.call("good-service", kind=Kind.SERVICE) == 200
    assert gate.call("wrong", checks_key=True) == 401  # what it asks about is another matter


def test_who_asks_about_keys_without_a_service_key_of_its_own_is_a_stranger() -> None:
    gate = Gate()
    for now in (1000.0, 1000.0 + 2 * SERVES):
        gate.now = now
        answers = [gate.call(f"wrong-{number}", checks_key=True) for number in range(FAILURES.burst + 100)]
        assert answers.count(401) == FAILURES.burst
        gate.now += SERVES / 2  # the limit has recovered
        assert gate.call("good-service", kind=Kind.SERVICE) == 200
        assert {gate.call(f"wrong-{number}", checks_key=True) for number in range(FAILURES.burst + 100)} == {
            401
        }


def test_what_a_vpn_server_asks_has_an_end_too() -> None:
    gate, most = Gate(), CALLS[Kind.SERVICE].burst
    assert gate.call("good-service", kind=Kind.SERVICE) == 200
    answers = [gate.call(f"wrong-{number}", checks_key=True) for number in range(most + 100)]
    assert answers == [401] * most + [429] * 100


@pytest.mark.thorough
def test_what_is_remembered_is_bounded() -> None:
    """A flood of different keys from different addresses, good ones and wrong ones."""
    gate = Gate()
    tracemalloc.start()
    try:
        for number in range(2 * BUCKETS):
            address = f"2001:db8:{number % 50_000:x}::1"
            gate.call(f"{'good' if number % 2 else 'wrong'}-{number}", address, status=0)
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert used < 20 * 1024 * 1024


# At the door


def test_a_stopped_flood_costs_no_database(world: World) -> None:
    """Threads are how the database is reached; without them a refused call is answered all the same."""

    async def calls(app: Ingest) -> list[tuple[int, dict[str, str]]]:
        wrong = [raw.scope("POST", "heartbeat", key) for key in ("wrong", "wrong-2")]
        answers = [await raw.ask(app, call) for call in wrong * 3]
        await app.stop()
        answers.append(await raw.ask(app, raw.scope("PATCH", "report", "wrong-3")))
        return [(answer.status, answer.headers) for answer in answers if answer]

    answers = raw.run(calls, RateLimits(failures=Size(rate=0.001, burst=4)))
    assert [status for status, _ in answers] == [401] * 4 + [429] * 3
    assert not any("retry-after" in headers for _, headers in answers)


def test_a_key_that_calls_too_often_is_told_so_in_json(world: World) -> None:
    slow = dict.fromkeys(Kind, Size(rate=0.001, burst=2))

    async def calls(app: Ingest) -> list[Answer | None]:
        return [await raw.ask(app, raw.scope("POST", "heartbeat", world.device_key)) for _ in range(3)]

    answers = raw.run(calls, RateLimits(slow))
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert answers[2].json == {"error": "This key calls too often."}
    assert answers[2].headers["content-type"] == "application/json"


def test_taken_uuids_count_for_much_at_registration(world: World) -> None:
    before = everything()
    registering = {**CALLS, Kind.PROVISIONING: Size(rate=0.001, burst=200)}

    async def calls(app: Ingest) -> list[int]:
        call = raw.scope("POST", "register", world.provisioning_key)
        bodies = [raw.body_message({"uuid": world.device.uuid}) for _ in range(10)]
        answers = [await raw.ask(app, call, body) for body in bodies]
        return [answer.status for answer in answers if answer]

    assert raw.run(calls, RateLimits(registering)) == [409] * 4 + [429] * 6
    assert everything() == before
