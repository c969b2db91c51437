"""What pages say of devices and fleets that are read from a source."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import URLPattern, reverse

from dashboard.urls import devices as device_urls
from dashboard.urls import fleets as fleet_urls
from devices import clock, connectivity
from devices.alerts import snapshot
from devices.models import Device, MirroredDevice, Source, SourceOutage
from fleets.models import Role
from tests.factories import make_device, make_member
from tests.incidents import make_incident, make_rule, put_in
from tests.mirrors import mirror
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
    mirror(made, created_at=now, swept_at=now)
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


def test_last_contact_of_what_is_only_read_may_be_later(operator: Client, device: Device) -> None:
    now = clock.now()
    Device.objects.update(last_contact_at=now)
    assert "or later" in page(operator, device)
    connectivity.record_heartbeats([device.pk], now)  # through the relay
    assert "or later" not in page(operator, device)


def test_its_page_leads_to_no_key_of_this_site(operator: Client, device: Device) -> None:
    assert "Last use, refusals, rotation" not in page(operator, device)
    assert "Last use, refusals, rotation" in page(operator, make_device(device.fleet))


def test_attention_does_not_promise_that_it_stays_so(operator: Client, device: Device) -> None:
    Device.objects.update(facts_at=clock.now() - timedelta(hours=1))
    said = text_of(operator.get("/attention/"))
    assert "Not known, since it is read every 60 s" in said
    assert "until it reports" not in said


def test_attention_does_not_promise_it_of_many_either(operator: Client, device: Device) -> None:
    lost_at = clock.now() - timedelta(hours=1)
    links = {"vpn_changed_at": lost_at, "first_contact_at": lost_at, "heartbeat_state": "recent"}
    mirrored = [
        make_device(device.fleet, created_at=lost_at, heartbeat_changed_at=lost_at, **links) for _ in range(6)
    ]
    MirroredDevice.objects.bulk_create(
        MirroredDevice(device=one, source=Source.objects.get(), remote_id=one.pk) for one in mirrored
    )
    assert "Not known, since they are read every 60 s" in text_of(operator.get("/attention/"))


@pytest.mark.parametrize("number", [1, 6])
def test_incident_and_its_messages_say_what_to_check_there(
    operator: Client, device: Device, number: int
) -> None:
    at = clock.moment()
    devices = [device, *(make_device(device.fleet) for _ in range(number - 1))]
    incident = make_incident(device.organization, at.at, now=number)
    put_in(incident, devices, make_rule(device.organization))
    said = text_of(operator.get(f"/incidents/{incident.uuid}/"))
    assert "api.example decides whether it is still in service." in said
    assert "Deactivate it" not in said
    seen = snapshot.read([incident], at)[incident.pk]
    assert "Firewall or proxy at the site" in seen.advice["check_first"]


def test_statuses_say_that_a_source_is_in_charge(operator: Client, device: Device) -> None:
    said = "Devices that are read from a source are activated, deactivated, moved and deleted there"
    assert said in text_of(operator.get("/statuses/"))
    stranger = Client()
    stranger.force_login(make_member(make_device().organization))
    assert said not in text_of(stranger.get("/statuses/"))


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
