"""Who asks for too many pages is refused; a live page's refreshes are not."""

from __future__ import annotations

import pytest
from django.test import Client

from dashboard import brakes
from dashboard.brakes import PEOPLE, VISITORS, Gates
from devices.ingest.brakes import Size
from tests.factories import make_member, make_organization

FEW = Size(rate=0.001, burst=5)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brakes, "VISITORS", FEW)
    monkeypatch.setattr(brakes, "PEOPLE", FEW)


def statuses(client: Client, times: int, path: str = "/sign-in/", address: str = "192.0.2.1") -> list[int]:
    return [client.get(path, REMOTE_ADDR=address).status_code for _ in range(times)]


@pytest.mark.django_db
def test_strangers_share_the_brake_of_their_address(few: None, client: Client) -> None:
    assert statuses(client, 7) == [200] * 5 + [429] * 2
    assert statuses(client, 1, address="192.0.2.2") == [200]
    said = client.get("/sign-in/", REMOTE_ADDR="192.0.2.1")
    assert said["Retry-After"] == "10"
    assert "Wait a moment, then try again" in said.content.decode()


@pytest.mark.django_db
def test_a_network_of_ipv6_is_one_address(few: None, client: Client) -> None:
    """As in the ingest: a site has 2^64 of them."""
    for number in range(5):
        assert statuses(client, 1, address=f"2001:db8::{number}") == [200]
    assert statuses(client, 1, address="2001:db8::99") == [429]
    assert statuses(client, 1, address="2001:db8:0:1::1") == [200]


@pytest.mark.django_db
def test_a_person_at_work_does_not_feel_strangers_at_the_same_address(few: None, client: Client) -> None:
    client.force_login(make_member(make_organization()))
    assert statuses(client, 1, "/") == [200]  # from now on the session is known
    own = client.cookies["sessionid"].value
    client.cookies.clear()
    assert statuses(client, 5)[-1] == 429
    client.cookies["sessionid"] = own
    assert statuses(client, 6, "/") == [200] * 5 + [429]


@pytest.mark.django_db
def test_made_up_sessions_are_strangers(few: None, client: Client, django_assert_num_queries: object) -> None:
    answers = []
    for number in range(7):
        client.cookies["sessionid"] = f"made-up-{number}"
        answers += statuses(client, 1, "/")
    assert answers == [302] * 5 + [429] * 2


def test_two_sessions_of_one_person_share() -> None:
    gates = Gates()
    for session in ("a", "b"):
        assert gates.admit(session, "192.0.2.1", 0)
        gates.note(session, 7)
    admitted = [gates.admit(session, "192.0.2.1", 0) for session in "ab" * 400]
    assert admitted.count(True) == PEOPLE.burst


def test_a_session_that_ended_is_a_stranger_again() -> None:
    gates = Gates()
    gates.note("a", 7)
    gates.note("a", None)
    admitted = [gates.admit("a", "192.0.2.1", 0) for _ in range(400)]
    assert admitted.count(True) == VISITORS.burst


def test_thirty_live_tabs_all_day() -> None:
    """Each refreshes every three seconds, which is more often than any page does."""
    gates = Gates()
    gates.note("a", 7)
    for second in range(24 * 3600):
        assert all(gates.admit("a", "192.0.2.1", second) for _ in range(10))


def test_memory_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brakes, "SESSIONS", 100)
    gates = Gates()
    for number in range(1000):
        gates.note(f"session-{number}", number)
    assert len(gates._person) == 100


def test_on_a_socket_who_is_in_front_has_brakes_of_its_own() -> None:
    gates = Gates()
    assert all(gates.admit("", "", 0) for _ in range(1000))
