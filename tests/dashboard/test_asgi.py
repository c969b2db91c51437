"""One application: the ingest's calls, and Django's pages beside them."""

from typing import Any

import pytest
from asgiref.sync import async_to_sync
from asgiref.testing import ApplicationCommunicator
from django.db import connection

from dashboard.asgi import application, pages
from dashboard.server import health
from devices.models import Listening


def ask(path: str, host: str = "localhost", app: Any = application) -> tuple[int, str, bytes]:
    """Status, content type and body of a GET."""

    async def talk() -> tuple[dict[str, Any], dict[str, Any]]:
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "query_string": b"",
            "headers": [(b"host", host.encode())],
            "client": ("192.0.2.7", 50000),
            "server": ("localhost", 80),
        }
        caller = ApplicationCommunicator(app, scope)
        await caller.send_input({"type": "http.request", "body": b"", "more_body": False})
        answer = await caller.receive_output(5), await caller.receive_output(5)
        await caller.wait(5)
        return answer

    start, body = async_to_sync(talk)()
    types = [value.decode() for name, value in start["headers"] if name.lower() == b"content-type"]
    return start["status"], types[0].split(";")[0], body["body"]


SUPERVISOR = ("/device/register", "/device/v3/x/state", "/v7/nothing", "/api-key/", "/services/vpn/auth/")


@pytest.mark.parametrize("path", ["/api/v1/heartbeat", "/api/v1/nothing", *SUPERVISOR])
def test_calls_of_devices_never_meet_django(path: str) -> None:
    status, content_type, body = ask(path)
    assert (status in {401, 404, 405}, content_type) == (True, "application/json")
    assert body.startswith(b'{"error":')


def test_anybody_may_ping() -> None:
    assert ask("/ping") == (200, "text/plain", b"OK")


def test_a_load_balancer_may_ask_by_address() -> None:
    assert ask("/livez", host="192.0.2.1:9") == (200, "text/plain", b"OK\n")
    assert ask("/healthz", host="192.0.2.1:9")[:2] in {(200, "text/plain"), (503, "text/plain")}


@pytest.mark.django_db(transaction=True)
def test_pages_alone_are_healthy_while_the_database_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """And leave no liveness sign that would hide that nobody hears the devices."""
    for path in ("/healthz", "/livez"):
        assert ask(path, "192.0.2.1:9", pages) == (200, "text/plain", b"OK\n")
    assert not Listening.objects.exists()
    monkeypatch.setattr(health, "database_answers", lambda: False)
    assert ask("/healthz", app=pages)[:2] == (503, "text/plain")
    assert ask("/livez", app=pages)[0] == 200


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_away_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    assert health.database_answers()
    monkeypatch.setitem(connection.settings_dict, "HOST", "127.0.0.1")
    monkeypatch.setitem(connection.settings_dict, "PORT", "1")
    assert not health.database_answers()


@pytest.mark.parametrize("path", ["/devices/", f"/devices/{'a' * 32}/"])
def test_pages_about_devices_are_pages(path: str) -> None:
    """A stranger is sent to sign in."""
    status, _, _ = ask(path)
    assert status == 302


@pytest.mark.parametrize("path", ["/api/v1", "/api/", "/nothing/", "/device", "/v8/device", "/service/"])
def test_everything_else_is_djangos(path: str) -> None:
    status, content_type, _ = ask(path)
    assert (status, content_type) == (404, "text/html")
