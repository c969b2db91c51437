"""What a page asks the database ends after a while, with a page that says so; nothing else does."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import connection
from django.test import AsyncClient, Client

from dashboard.http import query_timeout
from tests.factories import make_device, make_fleet, make_member, make_organization
from tests.pages import text_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def client() -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(make_member(make_organization()))
    return client


def test_a_page_whose_query_takes_too_long_says_so_and_leaves_the_database(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def forever(_request: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(600)")

    monkeypatch.setattr(query_timeout.WATCH, "longest", 0.2)
    with monkeypatch.context() as patch:
        patch.setattr("dashboard.pages.devices.list.moment_of", forever)
        response = client.get("/devices/")
    assert response.status_code == 503
    assert response["Retry-After"] == "10"
    assert "This page took too long" in text_of(response)
    assert "within 0.2 seconds" in text_of(response)
    told = [record for record in caplog.records if record.levelname in {"WARNING", "ERROR"}]
    assert [(record.levelname, bool(record.exc_info)) for record in told] == [("WARNING", False)]
    monkeypatch.setattr(query_timeout.WATCH, "longest", query_timeout.LONGEST)
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query ~ '^SELECT pg_sleep'")
        assert cursor.fetchall() == []
    assert client.get("/devices/").status_code == 200


def test_a_statement_that_is_over_is_not_cancelled() -> None:
    with connection.cursor() as cursor:
        with query_timeout.WATCH.over(connection.connection):
            cursor.execute("SELECT 1")
        query_timeout.WATCH.cancel_late(math.inf)
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)


def test_an_export_is_watched_until_it_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    organization = make_organization()
    name = make_device(make_fleet(organization)).name
    client, watched = AsyncClient(), []

    @contextmanager
    def note(used: Any) -> Iterator[None]:
        watched.append(used)
        yield

    async def read() -> tuple[int, bytes]:
        await client.aforce_login(member)
        response: Any = await client.get("/devices/devices.csv")
        before = len(watched)
        return before, b"".join([part async for part in response.streaming_content])

    member = make_member(organization)
    monkeypatch.setattr(query_timeout.WATCH, "over", note)
    before, text = async_to_sync(read)()
    assert name in text.decode()
    assert len(watched) == before > 0
