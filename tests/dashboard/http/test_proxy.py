"""Where pages are asked from: the same rule as for the calls of devices, and into the audit log."""

from __future__ import annotations

import re
from io import BytesIO
from typing import Any
from urllib.parse import urlencode

import pytest
from asgiref.sync import async_to_sync
from asgiref.testing import ApplicationCommunicator
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from pytest_django import Settings

from dashboard.asgi import application
from dashboard.http.proxy import Proxied, coming_from
from devices import keys
from devices.ingest import client_address
from devices.models import ApiKey
from fleets import audit
from fleets.models import AuditEntry, Role
from tests.devices.ingest import raw
from tests.devices.ingest.test_client_address import ADDRESSES, SCHEMES, TRUSTED
from tests.factories import make_fleet, make_member


@pytest.fixture
def trusting(settings: Settings) -> Any:
    settings.TRUSTED_PROXIES = TRUSTED
    client_address.is_trusted.cache_clear()
    yield
    client_address.is_trusted.cache_clear()


def seen(scope: Any) -> ASGIRequest:
    """The request as Django gets it."""
    requests: list[ASGIRequest] = []

    async def django(scope: Any, receive: Any, send: Any) -> None:
        requests.append(ASGIRequest(scope, BytesIO()))

    async_to_sync(Proxied(django))(scope, None, None)
    return requests[0]


@pytest.mark.parametrize(("peer", "forwarded", "address"), ADDRESSES)
def test_a_page_is_asked_from_where_a_call_would_be(
    trusting: None, peer: str | None, forwarded: str, address: str
) -> None:
    told = []

    def view(request: HttpRequest) -> HttpResponse:
        told.append(audit._address.get())
        return HttpResponse()

    coming_from(view)(seen(raw.scope("GET", "", peer=peer, x_forwarded_for=forwarded)))
    assert told == [address or None]
    assert audit._address.get() is None


@pytest.mark.parametrize(("peer", "said", "scheme"), SCHEMES)
def test_only_our_proxies_tell_the_scheme(trusting: None, peer: str | None, said: str, scheme: str) -> None:
    assert seen(raw.scope("GET", "", peer=peer, x_forwarded_proto=said)).scheme == scheme


def test_a_view_that_fails_leaves_no_address_behind(rf: RequestFactory) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        coming_from(view)(rf.get("/"))
    assert audit._address.get() is None


@pytest.mark.django_db(transaction=True)
def test_a_page_of_the_whole_site_writes_where_it_was_asked_from(trusting: None, client: Client) -> None:
    """Through ASGI, where views run in another thread than the server."""
    fleet = make_fleet(slug="kiosks")
    actor = make_member(fleet.organization, Role.ADMINISTRATOR, "ada")
    keys.new_provisioning_key(fleet, "line 7")
    key = ApiKey.objects.get()
    client.force_login(actor)
    page = client.get("/fleets/kiosks/keys/").content.decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert token
    cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())
    scope: Any = raw.scope("POST", "", peer="10.0.0.1", x_forwarded_for="192.0.2.66, 203.0.113.9")
    scope |= {"path": f"/fleets/kiosks/keys/{key.fingerprint}/revoke/"}
    headers = {"cookie": cookies, "host": "localhost", "content-type": "application/x-www-form-urlencoded"}
    scope["headers"] += [(name.encode(), value.encode()) for name, value in headers.items()]
    body = raw.body_message(urlencode({"csrfmiddlewaretoken": token[1]}).encode())

    async def status() -> Any:
        caller = ApplicationCommunicator(application, scope)
        await caller.send_input(body)
        start = await caller.receive_output(10)
        await caller.receive_output(10)
        await caller.wait(10)
        return start["status"]

    assert async_to_sync(status)() == 302
    entry = AuditEntry.objects.get(action="key-revoked")
    assert (entry.actor_name, entry.address, entry.subject_name) == ("ada", "203.0.113.9", "line 7")
