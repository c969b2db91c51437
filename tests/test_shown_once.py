"""What is shown once and did not arrive: its page says what to do, and doing it works.

The file of the keys of many devices is offered again: tests/browser/test_downloads.py. Recovery codes are
shown as often as their person confirms who it is: tests/dashboard/account/test_factors.py.
"""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse

from dashboard.models import User
from devices import keys
from devices.models import ApiKey, Device
from fleets.access.digests import digests
from fleets.models import Fleet, Invitation, Organization, Role
from tests.factories import T0, make_device, make_fleet, make_member, make_organization
from tests.pages import text_of

pytestmark = pytest.mark.django_db

KEY = (
    "A key is shown only when it is created. If you do not have one of these keys, revoke it and create"
    " a new one."
)
LINK = "A link is shown only when it is created. If it gets lost, revoke the invitation and create a new one."


@pytest.fixture
def organization() -> Organization:
    return make_organization("Halden", slug="halden")


@pytest.fixture
def fleet(organization: Organization) -> Fleet:
    return make_fleet(organization, slug="kiosks")


@pytest.fixture
def owner(client: Client, organization: Organization) -> User:
    user = make_member(organization, Role.OWNER)
    client.force_login(user)
    return user


def sent(client: Client, path: str, **said: str) -> str:
    """Open the page of a form and send it; the answer as HTML."""
    newest = re.search(r'name="newest" value="([0-9a-f]*)"', client.get(path).content.decode())
    assert newest
    return client.post(path, said | {"newest": newest[1]}).content.decode()


def shown(html: str) -> str:
    """The key that an answer shows."""
    found = re.search(r'<code id="new-key">(lko_[dps]_[0-9a-f]{64})</code>', html)
    assert found
    return found[1]


def test_the_new_key_of_a_rotation(client: Client, fleet: Fleet, owner: User) -> None:
    """The device goes on with its older key; the one that nobody has gives way to another."""
    device = make_device(fleet)
    older = keys.new_device_key(device)
    path = reverse("devices:key", args=[device.uuid])
    lost = shown(sent(client, path, hours=""))  # the answer does not arrive
    page = text_of(client.get(path))
    assert KEY in page
    assert "If you do not have the newest key, revoke that one." in page
    found = keys.named(lost)
    assert found
    client.post(reverse("devices:key-revoke", args=[device.uuid, found.fingerprint]))
    other = shown(sent(client, path, hours=""))
    accepted = keys.find_devices([older, lost, other], T0)
    assert set(accepted) == {older, other}


def test_the_key_of_a_preregistered_device(client: Client, fleet: Fleet, owner: User) -> None:
    path = reverse("devices:preregister", args=[fleet.slug])
    form = {"name": "kiosk-1", "made": "ab" * 16}
    lost = shown(client.post(path, form).content.decode())
    assert "If you do not have that key, revoke it and create another" in text_of(client.post(path, form))
    device, found = Device.objects.get(), keys.named(lost)
    assert found
    client.post(reverse("devices:key-revoke", args=[device.uuid, found.fingerprint]))
    other = shown(sent(client, reverse("devices:key", args=[device.uuid])))
    assert set(keys.find_devices([lost, other], T0)) == {other}


@pytest.mark.parametrize("kind", ["fleet", "organization"])
def test_a_provisioning_or_service_key(client: Client, fleet: Fleet, owner: User, kind: str) -> None:
    provisioning = kind == "fleet"
    slug = fleet.slug if provisioning else fleet.organization.slug
    path = reverse("fleets:fleet-keys" if provisioning else "fleets:keys", args=[slug])
    revoke = "fleets:fleet-key-revoke" if provisioning else "fleets:key-revoke"
    lost = shown(sent(client, path, name="cards", days=""))
    assert KEY in text_of(client.get(path))
    found = keys.named(lost)
    assert found
    client.post(reverse(revoke, args=[slug, found.fingerprint]))
    other = shown(sent(client, path, name="cards", days=""))
    kept = ApiKey.objects.filter(revoked_at=None)
    assert [bytes(key.digest) for key in kept] == [digests(other)[0]]


def test_an_invitation_link(client: Client, organization: Organization, owner: User) -> None:
    path, page = (reverse(f"fleets:{name}", args=["halden"]) for name in ("member-invite", "members"))
    sent(client, path, role="observer", days="7")
    assert LINK in text_of(client.get(page))
    lost = Invitation.objects.get()
    client.post(reverse("fleets:invitation-revoke", args=["halden", lost.fingerprint]))
    sent(client, path, role="observer", days="7")
    assert Invitation.objects.get().pk != lost.pk
