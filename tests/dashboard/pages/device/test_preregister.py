"""Making a device before it is switched on; its key is shown once."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import TYPE_CHECKING

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from devices import clock, keys
from devices.models import ApiKey, Device
from devices.operations import lifecycle
from fleets.models import AuditEntry, Fleet, FleetType, Role
from fleets.services import fleets
from tests.at_once import WAIT, held_open, in_background
from tests.factories import make_device, make_fleet, make_member, make_organization, make_uuid
from tests.pages import text_of

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as Response

pytestmark = pytest.mark.django_db
PATH = "/fleets/kiosks/preregister/"

# session, person; clock, organizations, fleet
QUERIES = 5


@pytest.fixture(autouse=True)
def _kiosks(fleet: Fleet) -> Fleet:
    return fleet


def form_of(page: Response, **said: str) -> dict[str, str]:
    (made,) = re.findall(r'name="made" value="(\w*)"', page.content.decode())
    return {"made": made, "name": "", "device_type": "", "uuid": ""} | said


def preregistered(client: Client, **said: str) -> Response:
    return client.post(PATH, form_of(client.get(PATH), **said))


def key_in(answer: Response) -> str:
    (key,) = re.findall(r'id="new-key">([\w-]{32,})<', answer.content.decode())
    return str(key)


def test_it_is_inactive_until_its_first_contact(reader: Client) -> None:
    answer = preregistered(reader, name="spare")
    assert answer.status_code == 201
    words = text_of(answer)
    assert "spare is preregistered" in words
    assert "Inactive until its first contact" in words
    device = Device.objects.get()
    assert (device.name, device.is_active, device.fleet.slug) == ("spare", False, "kiosks")
    assert AuditEntry.objects.get(action="device-preregistered").subject_id == device.uuid


def test_its_key_works_is_shown_once_and_stored_nowhere(reader: Client) -> None:
    answer = preregistered(reader)
    key = key_in(answer)
    assert keys.find_devices([key], clock.now())[key].device_id == Device.objects.get().pk
    assert "no-store" in answer["Cache-Control"]
    assert key not in str(dict(reader.session))
    assert key not in str(answer.cookies)
    assert all(key not in repr(row) for row in [*ApiKey.objects.values_list(), *Device.objects.values_list()])
    device = Device.objects.get()
    for path in (PATH, f"/devices/{device.uuid}/", f"/devices/{device.uuid}/key/"):
        assert key not in reader.get(path).content.decode()


def test_a_reload_makes_no_second_device_and_leads_to_the_first(reader: Client) -> None:
    form = form_of(reader.get(PATH), name="spare")
    first = reader.post(PATH, form)
    again = reader.post(PATH, form)
    assert again.status_code == 409
    assert "No device was created. spare has this UUID. If you just created it" in text_of(again)
    assert f"/devices/{Device.objects.get().uuid}/key/" in again.content.decode()
    assert key_in(first) not in again.content.decode()
    assert reader.post(PATH, form_of(again, name="second")).status_code == 201
    assert Device.objects.count() == 2


@pytest.mark.parametrize(
    "uuid", ["0" * 31 + "a", "b" * 62, "0123ABCD-4567-89ab-cdef-0123456789AB", f" {'c' * 32} "]
)
def test_a_uuid_may_be_given_however_it_is_written(reader: Client, uuid: str) -> None:
    assert preregistered(reader, uuid=uuid).status_code == 201
    assert Device.objects.get().uuid == uuid.strip().replace("-", "").lower()


@pytest.mark.parametrize("uuid", ["a" * 31, "a" * 33, "g" * 32, "nonsense"])
def test_what_is_no_uuid_makes_nothing_and_stays_in_the_form(reader: Client, uuid: str) -> None:
    answer = preregistered(reader, uuid=uuid, name="spare")
    words = text_of(answer)
    assert "Nothing was saved" in words
    assert "A UUID has 32 or 62 characters (0 to 9 and a to f)." in words
    assert 'value="spare"' in answer.content.decode()
    assert f'value="{uuid}"' in answer.content.decode()
    assert not Device.objects.exists()


def test_a_uuid_of_my_own_device_is_named(reader: Client, fleet: Fleet) -> None:
    there = make_device(fleet, name="kiosk-1")
    answer = preregistered(reader, uuid=there.uuid)
    assert answer.status_code == 409
    assert "No device was created. kiosk-1 has this UUID." in text_of(answer)
    assert f'href="/devices/{there.uuid}/"' in answer.content.decode()


def test_a_uuid_of_somebody_elses_device_is_not(reader: Client) -> None:
    theirs = make_device(name="secret-buoy")
    answer = preregistered(reader, uuid=theirs.uuid)
    assert answer.status_code == 409
    assert "Another device on this site already has this UUID. No device was created." in text_of(answer)
    assert "secret-buoy" not in answer.content.decode()
    assert f"/devices/{theirs.uuid}/" not in answer.content.decode()


def test_a_type_is_its_own_or_its_fleets(reader: Client, fleet: Fleet) -> None:
    Fleet.objects.filter(pk=fleet.pk).update(device_type="Raspberry Pi 4")
    assert "If empty, Raspberry Pi 4 is used (fleet setting)." in text_of(reader.get(PATH))
    preregistered(reader)
    preregistered(reader, device_type="Intel NUC")
    assert list(Device.objects.order_by("pk").values_list("device_type", flat=True)) == [
        "Raspberry Pi 4",
        "Intel NUC",
    ]


def test_in_a_fleet_that_is_locked_it_is_frozen_and_the_page_says_why(reader: Client, fleet: Fleet) -> None:
    Fleet.objects.filter(pk=fleet.pk).update(type=FleetType.PAID)
    words = text_of(preregistered(reader, name="spare"))
    assert "spare is preregistered Frozen a paid fleet type in a free organization" in words


def test_what_a_supervisor_needs_is_ready_to_paste(reader: Client) -> None:
    answer = preregistered(reader)
    (config,) = re.findall(
        r'<p class="command config">\s*<code>(.*?)</code>', answer.content.decode(), re.DOTALL
    )
    device = Device.objects.get()
    assert json.loads(unescape(config)) == {
        "apiEndpoint": "http://testserver",
        "uuid": device.uuid,
        "deviceId": device.pk,
        "deviceApiKey": key_in(answer),
        "registered_at": int(device.created_at.timestamp()),
    }


@pytest.mark.parametrize(
    ("role", "status"), [(None, 404), (Role.OBSERVER, 403), (Role.OPERATOR, 200), (Role.OWNER, 200)]
)
def test_operators_preregister(client: Client, fleet: Fleet, role: Role | None, status: int) -> None:
    client.force_login(make_member(fleet.organization if role else make_organization(), role or Role.OWNER))
    assert client.get(PATH).status_code == status
    answer = client.post(PATH, {"name": "spare", "made": make_uuid()})
    assert answer.status_code == (201 if status == 200 else status)
    assert Device.objects.exists() == (status == 200)


def test_strangers_and_others(client: Client, reader: Client) -> None:
    assert reader.get("/fleets/nowhere/preregister/").status_code == 404
    assert reader.get(f"{PATH}?org=elsewhere").status_code == 404
    reader.logout()
    assert reader.get(PATH).status_code == 302


def test_query_count(reader: Client, fleet: Fleet, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    for more in (0, 29):
        for _ in range(more):
            make_device(fleet)
        with django_assert_num_queries(QUERIES):
            reader.get(PATH)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("what", ["fleet deleted", "uuid taken"])
def test_what_happened_between_the_look_and_the_lock(what: str) -> None:
    fleet, uuid = Fleet.objects.get(slug="kiosks"), make_uuid()
    client = Client()
    client.force_login(make_member(fleet.organization))
    answers = []

    def meanwhile() -> None:
        if what == "fleet deleted":
            fleets.delete(fleet=fleet, actor=None)
        else:
            lifecycle.preregister(fleet=fleet, actor=None, uuid=uuid, name="theirs")

    with held_open(meanwhile):
        form = {"name": "spare", "made": uuid}
        waiting = in_background(lambda: answers.append(client.post(PATH, form)))
    waiting.join(WAIT)
    (answer,) = answers
    if what == "fleet deleted":
        assert answer.status_code == 404
        assert "kiosks no longer exists It was deleted. No device was created." in text_of(answer)
        assert not Device.objects.exists()
    else:
        assert answer.status_code == 409
        assert "No device was created. theirs has this UUID." in text_of(answer)


def test_fleets_in_which_i_operate_are_offered_on_the_devices_page(client: Client, fleet: Fleet) -> None:
    person = make_member(fleet.organization)
    watched = make_fleet(make_organization(), slug="watched")
    watched.organization.memberships.create(user=person, role=Role.OBSERVER)
    client.force_login(person)
    assert PATH in client.get("/devices/").content.decode()
    assert PATH in client.get("/fleets/kiosks/").content.decode()
    assert "preregister" not in client.get("/fleets/watched/").content.decode()
