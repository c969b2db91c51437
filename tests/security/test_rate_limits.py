"""Who asks for too many pages is refused; a live page's refreshes are not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from dashboard.http import rate_limits
from dashboard.http.rate_limits import PEOPLE, VISITORS, RateLimits
from dashboard.live import event_stream
from dashboard.models import User
from devices.ingest.client_address import is_trusted
from devices.ingest.rate_limits import Size
from tests.factories import make_member, make_organization
from tests.security.sockets import Answer, ask, head, site

FEW = Size(rate=0.001, burst=5)


@pytest.fixture
def port(transactional_db: None, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[int]:
    """The site behind a proxy, where everybody may ask for five things."""
    monkeypatch.setattr(rate_limits, "RATE_LIMITS", RateLimits(FEW, FEW, FEW))
    settings.TRUSTED_PROXIES = ["127.0.0.1"]
    is_trusted.cache_clear()
    with site() as port:
        yield port
    is_trusted.cache_clear()


def get(port: int, path: str = "/sign-in/", session: str = "", address: str = "192.0.2.1") -> Answer:
    return ask(port, head("GET", path, X_Forwarded_For=address, Cookie=f"sessionid={session}"))


def statuses(port: int, times: int, path: str = "/sign-in/", **who: str) -> list[int]:
    return [get(port, path, **who).status for _ in range(times)]


def session_of(person: User) -> str:
    client = Client()
    client.force_login(person)
    return client.cookies["sessionid"].value


def test_strangers_share_the_limit_of_their_address(port: int) -> None:
    assert statuses(port, 7) == [200] * 5 + [429] * 2
    assert statuses(port, 1, address="192.0.2.2") == [200]
    said = get(port)
    assert said.headers["Retry-After"] == "10"
    assert "Wait a moment, then try again" in said.text


@pytest.mark.parametrize("path", ["/", "/admin/", event_stream.PATH, "/nowhere/", "/static/none", "/theme/"])
def test_rate_limits_stand_around_all_that_is_not_the_ingest(port: int, path: str) -> None:
    answers = statuses(port, 7, path)
    assert 429 not in answers[:5]
    assert answers[5:] == [429, 429]
    assert 429 not in statuses(port, 9, "/api/v1/openapi.json")


def test_files_of_pages_do_not_count_as_pages(port: int) -> None:
    assert statuses(port, 6, "/static/no-such-file")[-1] == 429
    assert statuses(port, 1) == [200]


def test_a_body_that_the_rate_limits_refuse_is_not_waited_for(port: int) -> None:
    statuses(port, 5)
    sent = head("POST", "/theme/", X_Forwarded_For="192.0.2.1", Content_Length="1000000")
    assert ask(port, sent).status == 429


def test_a_network_of_ipv6_is_one_address(port: int) -> None:
    """As in the ingest: a site has 2^64 of them."""
    for number in range(5):
        assert statuses(port, 1, address=f"2001:db8::{number}") == [200]
    assert statuses(port, 1, address="2001:db8::99") == [429]
    assert statuses(port, 1, address="2001:db8:0:1::1") == [200]


@pytest.mark.parametrize("known_by", ["/", event_stream.PATH])
def test_a_person_at_work_does_not_feel_strangers_at_the_same_address(
    port: int, known_by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether a page or the event stream has shown whose session it is."""
    monkeypatch.setattr(event_stream, "BROWSER", 0)  # a stream would not end
    own = session_of(make_member(make_organization()))
    assert get(port, known_by, own).status in {200, 503}
    assert statuses(port, 5)[-1] == 429
    assert statuses(port, 6, "/", session=own) == [200] * 5 + [429]


def test_a_person_has_one_limit_for_pages_and_streams_in_all_sessions(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "BROWSER", 0)
    person = make_member(make_organization())
    first, second = session_of(person), session_of(person)
    for session in (first, second):  # as a stranger's, at addresses of their own
        assert get(port, "/", session, f"192.0.2.{len(session)}").status == 200
    asked = [
        (event_stream.PATH, first),
        ("/", second),
        (event_stream.PATH, second),
        ("/sign-in/", first),
        ("/", first),
    ]
    assert 429 not in [get(port, path, session).status for path, session in asked]
    assert statuses(port, 1, event_stream.PATH, session=first, address="203.0.113.1") == [429]
    assert statuses(port, 1, session=second, address="203.0.113.2") == [429]


def test_made_up_sessions_are_strangers(port: int) -> None:
    answers = [get(port, "/", f"made-up-{number}").status for number in range(7)]
    assert answers == [302] * 5 + [429] * 2


def test_two_sessions_of_one_person_share() -> None:
    gates = RateLimits()
    for session in ("a", "b"):
        assert gates.admit(session, "192.0.2.1", 0)
        gates.note(session, 7)
    admitted = [gates.admit(session, "192.0.2.1", 0) for session in "ab" * 400]
    assert admitted.count(True) == PEOPLE.burst


def test_a_session_that_ended_is_a_stranger_again() -> None:
    gates = RateLimits()
    gates.note("a", 7)
    gates.note("a", None)
    admitted = [gates.admit("a", "192.0.2.1", 0) for _ in range(400)]
    assert admitted.count(True) == VISITORS.burst


def test_thirty_live_tabs_all_day() -> None:
    """Each refreshes every three seconds, which is more often than any page does."""
    gates = RateLimits()
    gates.note("a", 7)
    for second in range(24 * 3600):
        assert all(gates.admit("a", "192.0.2.1", second) for _ in range(10))


def test_memory_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limits, "SESSIONS", 100)
    gates = RateLimits()
    for number in range(1000):
        gates.note(f"session-{number}", number)
    assert len(gates._person) == 100


def test_on_a_socket_who_is_in_front_has_limits_of_its_own() -> None:
    gates = RateLimits()
    assert all(gates.admit("", "", 0) for _ in range(1000))
