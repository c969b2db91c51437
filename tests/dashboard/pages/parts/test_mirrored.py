"""What pages say of devices and fleets that are read from a source."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import URLPattern, reverse

from dashboard.urls import devices as device_urls
from dashboard.urls import fleets as fleet_urls
from devices import clock
from devices.models import Device, MirroredDevice, MirroredFleet, Source, SourceOutage
from fleets.models import Role
from tests.factories import make_device, make_member
from tests.pages import text_of

pytestmark = pytest.mark.django_db

# What may be done to a device or a fleet that a source is in charge of: looking, and what is of this site.
ALLOWED = {"detail", "changes-csv", "notes", "tags", "fleet"}


def acting() -> list[tuple[str, URLPattern]]:
    """All other addresses of one device or fleet."""
    return [
        (f"{module.app_name}:{pattern.name}", pattern)
        for module in (device_urls, fleet_urls)
        for pattern in module.urlpatterns
        if str(pattern.pattern).startswith(("devices/<device:", "fleets/<slug:"))
        and pattern.name not in ALLOWED
    ]


@pytest.fixture
def device() -> Device:
    """A device with a recent heartbeat and no VPN, as it was read a moment ago."""
    now = clock.now()
    made = make_device(heartbeat_state="recent", heartbeat_changed_at=now)
    source = Source.objects.create(
        organization=made.organization,
        name="balena",
        address="https://api.example",
        created_at=now,
        swept_at=now,
    )
    MirroredFleet.objects.create(fleet=made.fleet, source=source, remote_id=1, slug="acme/pumps")
    MirroredDevice.objects.create(device=made, source=source, remote_id=7, status="operational")
    return made


@pytest.fixture
def operator(client: Client, device: Device) -> Client:
    client.force_login(make_member(device.organization, Role.ADMINISTRATOR))
    return client


def page(client: Client, device: Device) -> str:
    return text_of(client.get(f"/devices/{device.uuid}/"))


def test_device_says_where_it_is_read_from_and_as_of_when(operator: Client, device: Device) -> None:
    said = page(operator, device)
    assert "Read from api.example, as of" in said
    assert ", every 60 s." in said
    assert "The next change is not known, since it is read every 60 s." in said


def test_word_of_the_source_is_said_where_it_differs(operator: Client, device: Device) -> None:
    assert "The status there is “operational”." in page(operator, device)
    MirroredDevice.objects.update(status="reduced-functionality")
    assert "The status there is" not in page(operator, device)


def test_actions_of_the_source_are_off_with_the_reason(operator: Client, device: Device) -> None:
    said = page(operator, device)
    assert said.count("Read from api.example, which stays in charge") == 4
    assert "Edit notes" in said
    assert "Edit name" not in said


def test_fleet_says_where_it_is_read_from(operator: Client, device: Device) -> None:
    said = text_of(operator.get(f"/fleets/{device.fleet.slug}/"))
    assert "Read from api.example, as of" in said
    assert "Preregister a device" not in said
    assert "Fleet settings" not in said


def test_silent_source_is_said_on_its_pages(operator: Client, device: Device) -> None:
    Source.objects.update(swept_at=clock.now() - timedelta(minutes=5))
    for address in (f"/devices/{device.uuid}/", f"/fleets/{device.fleet.slug}/"):
        assert "api.example has not been read since" in text_of(operator.get(address))


def test_outage_of_a_source_counts_in_no_uptime(operator: Client, device: Device) -> None:
    now = clock.now()
    source = Source.objects.get()
    SourceOutage.objects.create(
        source=source, began_at=now - timedelta(hours=2), ended_at=now - timedelta(hours=1)
    )
    assert "Not observed" in page(operator, device)


def test_device_of_this_site_says_nothing_of_a_source(operator: Client, device: Device) -> None:
    own = make_device(device.fleet)
    assert "Read from" not in page(operator, own)


def test_refused_key_of_a_relayed_device_is_said(operator: Client, device: Device) -> None:
    assert "refused the key" not in page(operator, device)
    MirroredDevice.objects.update(refused_at=clock.now())
    assert "api.example refused the key of this device at" in page(operator, device)


@pytest.mark.parametrize(
    ("name", "pattern"), acting(), ids=lambda each: each if isinstance(each, str) else ""
)
def test_address_of_what_its_source_does_says_so_and_has_no_form(
    operator: Client, device: Device, name: str, pattern: URLPattern
) -> None:
    named = {
        "uuid": device.uuid,
        "slug": device.fleet.slug,
        "key": "0" * 12,
        "listed": "00000000-0000-4000-8000-000000000000",
    }
    address = reverse(name, kwargs={key: named[key] for key in pattern.pattern.converters})
    answered = operator.get(address)
    if answered.status_code == 405:
        answered = operator.post(address)
    assert answered.status_code == 403
    said = text_of(answered)
    assert "It is read from api.example, which stays in charge of it. Do this there." in said
    assert 'method="post"' not in answered.content.decode()


@pytest.mark.parametrize("field", ["notes", "tags"])
def test_notes_and_tags_of_a_device_of_a_source_are_of_this_site(
    operator: Client, device: Device, field: str
) -> None:
    assert operator.get(f"/devices/{device.uuid}/{field}/").status_code == 200
