"""Settings, Sources: what an Administrator adds there, what the check says, and what is refused."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client

from devices import clock
from devices.models import Device, Source
from devices.sources import secrets
from devices.sources.relaying import set_relay
from devices.sources.settings import version_of
from devices.sources.sweep import sweep
from fleets.models import AuditEntry, Fleet, Organization, Role
from tests.devices.sources.api import TOKEN, BalenaApi
from tests.devices.sources.conftest import api
from tests.factories import make_member, make_organization
from tests.pages import text_of

__all__ = ["api"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def organization() -> Organization:
    return make_organization()


@pytest.fixture
def administrator(client: Client, organization: Organization) -> Client:
    client.force_login(make_member(organization, Role.ADMINISTRATOR))
    return client


@pytest.fixture
def address(organization: Organization) -> str:
    return f"/settings/{organization.slug}/sources/"


def said(api: BalenaApi, **more: str) -> dict[str, str]:
    return {"name": "balena", "address": f"{api.address}/", "token": TOKEN, "poll_interval": "600"} | more


def test_source_is_added_read_changed_and_removed(
    administrator: Client, address: str, api: BalenaApi
) -> None:
    assert "No sources yet" in text_of(administrator.get(address))
    words = "The token of admin is accepted, and sees 3 fleets: admin/kiosks, admin/old-signs, admin/pumps."
    assert f"balena is added. {words}" in text_of(administrator.post(address, said(api), follow=True))
    source = Source.objects.get()
    assert (source.address, secrets.read(source)) == (api.address, TOKEN)
    assert sweep(source).error == ""
    assert "14 devices" in text_of(administrator.get(address))
    own = f"{address}{source.uuid}/"
    assert words in text_of(administrator.post(f"{own}check/", follow=True))
    wanted = said(api, token="", only_fleets="admin/kiosks", seen=version_of(source))
    changed = text_of(administrator.post(own, wanted, follow=True))
    assert "The token of admin is accepted, and sees the fleet admin/kiosks." in changed
    source.refresh_from_db()
    assert sweep(source, whole=True).error == ""
    assert list(Fleet.objects.values_list("name", flat=True)) == ["kiosks"]
    number = Device.objects.count()
    removed = text_of(administrator.post(f"{own}remove/", follow=True))
    assert f"balena is removed. Devices deleted here: {number}." in removed
    assert not Source.objects.exists()
    assert not Device.objects.exists()
    assert not Fleet.objects.exists()
    assert TOKEN not in str(list(AuditEntry.objects.values()))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"token": "another"}, "Nothing was saved. It does not accept the token for this."),
        ({"token": ""}, "Nothing was saved. Enter the API key."),
        ({"address": "http://127.0.0.1:1"}, "Nothing was saved. It refused the connection."),
        ({"address": "http://169.254.169.254"}, "169.254.169.254 leads to 169.254.169.254"),
        ({"address": "ftp://api.example"}, "begins with https:// or http://"),
        ({"address": "https://api.example/v7"}, "Enter the address of the API alone"),
        ({"name": ""}, "This field is required."),
    ],
)
def test_source_that_cannot_be_read_is_not_saved(
    administrator: Client, address: str, api: BalenaApi, wrong: dict[str, str], words: str
) -> None:
    answer = administrator.post(address, said(api, **wrong))
    assert words in text_of(answer)
    assert not Source.objects.exists()


def test_relay_is_told_but_not_set_by_those_of_an_organization(
    administrator: Client, address: str, api: BalenaApi
) -> None:
    administrator.post(address, said(api, relay_host="devices.example", relay_to="http://api:80"))
    source = Source.objects.get()
    assert source.relay_host == ""
    set_relay(source=source, host="devices.example", to="http://api:80")
    own = f"{address}{source.uuid}/"
    page = text_of(administrator.get(own))
    assert "Calls of devices.example are relayed to http://api." in page
    assert "No call has come through the relay yet." in page
    Source.objects.update(relay_lost=3, relay_lost_at=source.created_at)
    assert "3 facts from the relay could not be written" in text_of(administrator.get(own))


def test_key_of_a_fleet_is_told_from_that_of_a_user(
    administrator: Client, address: str, api: BalenaApi
) -> None:
    api.who = {"id": 4, "actorType": "application", "slug": "admin/pumps"}
    assert "This is the key of a device or of a fleet." in text_of(administrator.post(address, said(api)))


def test_key_is_not_sent_to_another_address(administrator: Client, address: str, api: BalenaApi) -> None:
    administrator.post(address, said(api))
    source = Source.objects.get()
    elsewhere = said(api, address="http://127.0.0.1:1", token="", seen=version_of(source))
    answer = administrator.post(f"{address}{source.uuid}/", elsewhere)
    assert "Nothing was saved. Enter the API key." in text_of(answer)


def test_change_over_that_of_others_is_refused(administrator: Client, address: str, api: BalenaApi) -> None:
    administrator.post(address, said(api))
    source = Source.objects.get()
    answer = administrator.post(f"{address}{source.uuid}/", said(api, name="other", seen="old"))
    assert answer.status_code == 409
    assert "Somebody else changed this source meanwhile." in text_of(answer)


def test_silence_and_the_fault_behind_it_are_said(
    administrator: Client, address: str, api: BalenaApi
) -> None:
    administrator.post(address, said(api))
    source, at = Source.objects.get(), clock.now()
    own = f"{address}{source.uuid}/"
    Source.objects.update(swept_at=at, whole_at=at, error="It refused the connection.")
    assert ". The last attempt failed: It refused the connection." in text_of(administrator.get(address))
    assert "It has not been read since" not in text_of(administrator.get(own))
    Source.objects.update(swept_at=at - timedelta(minutes=4))
    for path in (address, own):
        page = text_of(administrator.get(path))
        assert "It has not been read since" in page
        assert "It refused the connection." in page
