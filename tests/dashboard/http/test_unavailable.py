"""While the database is away each page says so, in words, and the log in one line."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connection
from django.test import Client

from tests.factories import make_member, make_organization
from tests.pages import text_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def client() -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(make_member(make_organization()))
    return client


@pytest.fixture
def _away(client: Client, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        connection.close()
        patch.setitem(connection.settings_dict, "HOST", "127.0.0.1")
        patch.setitem(connection.settings_dict, "PORT", "1")
        yield
        connection.close()


@pytest.mark.usefixtures("_away")
@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/", {}),
        ("/devices/", {"HX-Request": "true"}),
        ("/account/", {}),
        ("/sign-in/", {}),
        ("/admin/", {}),
        ("/devices/devices.csv", {}),
    ],
)
def test_a_page_says_that_the_database_does_not_answer(
    client: Client, caplog: pytest.LogCaptureFixture, path: str, headers: dict[str, str]
) -> None:
    response = client.get(path, headers=headers)
    assert response.status_code == 503
    assert response["Retry-After"] == "10"
    assert "no-store" in response["Cache-Control"]
    assert "The database does not answer" in text_of(response)
    assert "Devices keep trying, and their statuses do not change" in text_of(response)
    told = [record for record in caplog.records if record.levelname in {"WARNING", "ERROR"}]
    assert [(record.levelname, bool(record.exc_info)) for record in told] == [("WARNING", False)]
    assert path in told[0].getMessage()


@pytest.mark.usefixtures("_away")
def test_so_does_a_form_that_was_sent(client: Client) -> None:
    assert client.post("/sign-in/", {"login": "ada", "password": "wrong"}).status_code == 503


def test_a_former_primary_is_away_until_the_next_request(client: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
    assert client.post("/sign-out/").status_code == 503
    assert client.post("/sign-out/").status_code == 302


def test_a_mistake_of_ours_is_still_told_as_one(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_request: object) -> None:
        raise RuntimeError("a mistake")

    monkeypatch.setattr("dashboard.pages.devices.list.moment_of", fail)
    response = client.get("/devices/")
    assert response.status_code == 500
    assert "Something went wrong on the server" in text_of(response)
