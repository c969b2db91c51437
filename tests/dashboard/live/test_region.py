"""A refresh shows what the whole page does: its live region needs nothing that is not a value of it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from devices import clock, connectivity, jobs
from devices.models import Device, Job
from fleets.models import Fleet, Organization, Role
from tests.factories import make_device, make_fleet, make_member, make_organization
from tests.pages import refresh, uuids_in
from tests.still import stand_still

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock stands still, so that all pages tell the same times."""
    stand_still(monkeypatch, clock.now())


@pytest.fixture
def organization() -> Organization:
    return make_organization()


@pytest.fixture
def fleet(organization: Organization) -> Fleet:
    return make_fleet(organization, name="kiosks", slug="kiosks")


@pytest.fixture
def reader(client: Client, organization: Organization) -> Client:
    person = make_member(organization, Role.OWNER)
    make_organization().memberships.create(user=person)
    client.force_login(person)
    return client


@pytest.fixture
def device(fleet: Fleet) -> Device:
    device = make_device(fleet, name="kiosk-1", uuid="a" * 32)
    connectivity.record_heartbeats([device.pk])
    connectivity.vpn_connected("vpn-1", [device.uuid])
    connectivity.vpn_disconnected("vpn-1", [device.uuid])
    return device


PATHS = ["/", "/?q=nothing", "/attention/", "/attention/?fleet=kiosks", "/devices/", "/devices/?per_page=50"]
PATHS += ["/devices/?status=online", "/fleets/kiosks/", "/fleets/kiosks/?columns=type&range=7d"]


def said(html: bytes) -> str:
    """Without the tokens of forms, which differ each time."""
    return re.sub(r'(csrfmiddlewaretoken" value)="[^"]*"', r"\1", html.decode()).strip()


def assert_same(reader: Client, path: str) -> None:
    whole = reader.get(path)
    pinned = uuids_in(whole) if "HX-Shown" in whole.content.decode() else ""
    fresh = refresh(reader, path, shown=pinned)
    assert said(fresh.content) in said(whole.content)
    assert fresh["HX-PTag"] == whole["HX-PTag"]
    assert refresh(reader, path, fresh["HX-PTag"], pinned).status_code == 304


@pytest.mark.parametrize("path", [*PATHS, f"/devices/{'a' * 32}/", f"/devices/{'a' * 32}/?range=7d"])
def test_a_refresh_shows_what_the_page_does(
    reader: Client, organization: Organization, device: Device, path: str
) -> None:
    assert_same(reader, path)
    assert_same(reader, f"{path}{'&' if '?' in path else '?'}org={organization.slug}")


@pytest.mark.parametrize("path", PATHS)
def test_so_does_one_of_an_empty_page(reader: Client, fleet: Fleet, path: str) -> None:
    assert_same(reader, path)


def test_so_does_one_of_a_job(reader: Client, organization: Organization) -> None:
    started: dict[str, Any] = {
        "kind": Job.Kind.PREREGISTER,
        "title": "Preregister 3 devices",
        "parameters": {},
        "total": 3,
    }
    job = jobs.start(organization=organization, actor=None, **started)
    assert_same(reader, f"/jobs/{job.uuid}/")
