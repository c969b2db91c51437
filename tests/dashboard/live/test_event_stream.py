"""The event stream: open pages hear that something changed in their organizations, and nobody else does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.contrib.sessions.models import Session
from django.test import Client

from dashboard.live import event_stream
from dashboard.live.event_stream import CHANGED, DEAF, HELLO, LISTENING, EventStream, Stream
from dashboard.live.subscribers import Subscriber as Rights
from dashboard.models import User
from devices.ingest import capacity
from fleets.models import Membership
from fleets.postgres.listener import Listener
from tests.factories import make_member, make_organization

pytestmark = pytest.mark.django_db(transaction=True)

GET: dict[str, Any] = {"type": "http", "method": "GET", "path": event_stream.PATH}
END = b""


class StubListener(Listener):
    """A listener whose notifications the test sends instead of the database."""

    def start(self) -> None:
        self.listens = True


class OpenPage:
    """An open page that reads the event stream."""

    def __init__(self, app: EventStream, session: str, **said: str) -> None:
        cookie = f"theme=dark; sessionid={session}".encode()
        self._talk = ApplicationCommunicator(app, GET | said | {"headers": [(b"cookie", cookie)]})

    async def begin(self) -> int:
        """The status of the answer; what a stream says first is heard."""
        await self._talk.send_input({"type": "http.request", "body": b"", "more_body": False})
        status = int((await self._talk.receive_output(10))["status"])
        if status == 200:
            assert [await self.hears(), await self.hears()] == [HELLO, LISTENING]
        return status

    async def hears(self) -> bytes:
        return bytes((await self._talk.receive_output(10))["body"])

    async def hears_nothing(self) -> bool:
        return bool(await self._talk.receive_nothing(0.05))

    async def leave(self) -> None:
        await self._talk.send_input({"type": "http.disconnect"})
        await self._talk.wait(10)


@pytest.fixture(autouse=True)
def listener(monkeypatch: pytest.MonkeyPatch) -> Listener:
    listener = StubListener()
    monkeypatch.setattr(event_stream, "LISTENER", listener)
    return listener


def session_of(person: User) -> str:
    client = Client()
    client.force_login(person)
    return client.cookies["sessionid"].value


def somebody() -> str:
    return session_of(make_member(make_organization()))


def listening(test: Callable[[EventStream], Awaitable[None]]) -> None:
    """Run a test with a new event stream in one event loop."""

    async def run() -> None:
        await test(EventStream())

    async_to_sync(run)()


def test_a_page_hears_of_its_own_organizations(listener: Listener) -> None:
    mine, other = make_organization(), make_organization()
    session = session_of(make_member(mine))

    async def test(app: EventStream) -> None:
        page = OpenPage(app, session)
        assert await page.begin() == 200
        for organization in (other.pk, mine.pk):
            await sync_to_async(listener._notify)(organization)
        assert await page.hears() == LISTENING + CHANGED
        assert await page.hears_nothing()
        await page.leave()
        assert (app._streams, app._open) == ({}, {})

    listening(test)


def test_a_page_learns_that_nothing_is_heard_here_and_when_it_is_again(listener: Listener) -> None:
    session = somebody()

    async def test(app: EventStream) -> None:
        page = OpenPage(app, session)
        await page.begin()
        for listener.listens, says in ((False, DEAF), (True, LISTENING)):
            await sync_to_async(listener._notify)(None)
            assert await page.hears() == says
        await page.leave()

    listening(test)


def signed_out(person: User) -> None:
    Session.objects.all().delete()


def locked_out(person: User) -> None:
    User.objects.filter(pk=person.pk).update(is_active=False)


def with_another_password(person: User) -> None:
    person.set_password("quite-another-password-77")
    person.save()


@pytest.mark.parametrize("now", [signed_out, locked_out, with_another_password])
def test_nobody_is_told_who_is_no_longer_signed_in(listener: Listener, now: Callable[[User], None]) -> None:
    organization = make_organization()
    person = make_member(organization)
    session = session_of(person)

    async def test(app: EventStream) -> None:
        page = OpenPage(app, session)
        await page.begin()
        await sync_to_async(now)(person)
        await sync_to_async(listener._notify)(organization.pk)
        assert await page.hears() == END
        assert await OpenPage(app, session).begin() == 401

    listening(test)


def test_nobody_is_told_of_an_organization_that_is_no_longer_theirs(listener: Listener) -> None:
    left, kept = make_organization(), make_organization()
    person = make_member(left)
    Membership.objects.create(user=person, organization=kept, role="observer")
    session = session_of(person)

    async def test(app: EventStream) -> None:
        page = OpenPage(app, session)
        await page.begin()
        await sync_to_async(Membership.objects.filter(organization=left).delete)()
        await sync_to_async(listener._notify)(left.pk)
        assert await page.hears() == LISTENING
        await sync_to_async(listener._notify)(kept.pk)
        assert await page.hears() == LISTENING + CHANGED
        await page.leave()

    listening(test)


def test_strangers_hear_nothing_and_nothing_can_be_said() -> None:
    session = somebody()

    async def test(app: EventStream) -> None:
        for key in ("", "nonsense", f"{session}x"):
            assert await OpenPage(app, key).begin() == 401
        assert await OpenPage(app, session, method="POST").begin() == 405

    listening(test)


def test_a_browser_and_a_process_have_so_many_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "BROWSER", 2)
    monkeypatch.setattr(event_stream, "MOST", 3)
    mine, others = somebody(), somebody()

    async def test(app: EventStream) -> None:
        pages = [OpenPage(app, session) for session in (mine, mine, mine, others, others)]
        assert [await page.begin() for page in pages] == [200, 200, 503, 200, 503]
        await pages[0].leave()
        again = OpenPage(app, mine)
        assert await again.begin() == 200
        for page in (again, pages[1], pages[3]):
            await page.leave()

    listening(test)


def test_a_person_has_so_many_streams_in_however_many_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "PERSON", 4)
    person, neighbour = make_member(make_organization()), somebody()
    sessions = [session_of(person) for _ in range(6)]

    async def test(app: EventStream) -> None:
        pages = [OpenPage(app, session) for session in sessions]
        assert [await page.begin() for page in pages] == [200] * 4 + [503] * 2
        other = OpenPage(app, neighbour)
        assert await other.begin() == 200
        await pages[0].leave()
        again = OpenPage(app, sessions[5])
        assert await again.begin() == 200
        for page in (*pages[1:4], again, other):
            await page.leave()
        assert app._open == {}

    listening(test)


def test_streams_take_a_quarter_of_the_connections_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "connections", lambda: 8)
    sessions = [somebody() for _ in range(3)]

    async def test(app: EventStream) -> None:
        pages = [OpenPage(app, session) for session in sessions]
        assert [await page.begin() for page in pages] == [200, 200, 503]
        for page in pages[:2]:
            await page.leave()

    listening(test)


def test_while_many_pages_are_made_the_others_are_told_later(listener: Listener) -> None:
    organization = make_organization()
    session = session_of(make_member(organization))

    async def test(app: EventStream) -> None:
        busy = [event_stream.ROOM]
        app.requests_in_progress = lambda: busy[0]
        page = OpenPage(app, session)
        await page.begin()
        await sync_to_async(listener._notify)(organization.pk)
        assert await page.hears_nothing()
        busy[0] -= 1
        assert await page.hears() == LISTENING + CHANGED
        await page.leave()

    listening(test)


def test_a_page_is_told_at_once_a_few_times_then_as_often_as_it_would_ask() -> None:
    stream = Stream("session", Rights(7, frozenset()))
    assert [stream.next_at(100.0) for _ in range(9)] == [100.0] * 6 + [102.0, 104.0, 106.0]
    assert [stream.next_at(200.0) for _ in range(7)] == [200.0] * 6 + [202.0]


def test_a_process_that_ends_ends_its_streams() -> None:
    session = somebody()

    async def test(app: EventStream) -> None:
        page = OpenPage(app, session)
        await page.begin()
        await asyncio.to_thread(app.end)
        assert await page.hears() == END
        await page._talk.wait(10)

    listening(test)
