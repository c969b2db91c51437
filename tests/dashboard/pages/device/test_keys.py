"""The keys of one device: listed, rotated, revoked; a new one is shown once."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from devices import clock, keys
from devices.keys import rotation as key_rotation
from devices.models import ApiKey, Device
from devices.operations import lifecycle
from fleets.models import AuditEntry, Fleet, Role
from tests.at_once import WAIT, held_open, in_background
from tests.factories import make_device, make_fleet, make_member, make_organization
from tests.pages import text_of

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as Response

pytestmark = pytest.mark.django_db

# session, person, organizations, clock, device; the newest key, clock, keys
QUERIES = 8


@pytest.fixture
def device(fleet: Fleet) -> Device:
    return make_device(fleet, name="kiosk-1")


def address(device: Device) -> str:
    return f"/devices/{device.uuid}/key/"


def form_of(page: Response, hours: str = "") -> dict[str, str]:
    (newest,) = re.findall(r'name="newest" value="(\w*)"', page.content.decode())
    return {"newest": newest, "hours": hours}


def rotated(client: Client, device: Device, hours: str = "") -> Response:
    return client.post(address(device), form_of(client.get(address(device)), hours))


def key_in(answer: Response) -> str:
    (key,) = re.findall(r'id="new-key">([\w-]{32,})<', answer.content.decode())
    return str(key)


def holder(key: str) -> int | None:
    """The device that a call with this key acts for."""
    found = keys.find_devices([key], clock.now()).get(key)
    return found.device_id if found else None


def test_a_device_without_a_key_gets_one(reader: Client, device: Device) -> None:
    page = reader.get(address(device))
    assert "kiosk-1 has no key" in text_of(page)
    answer = reader.post(address(device), form_of(page))
    assert answer.status_code == 201
    assert holder(key_in(answer)) == device.pk


def test_a_new_key_is_shown_once_and_stored_nowhere(reader: Client, device: Device) -> None:
    answer = rotated(reader, device)
    key = key_in(answer)
    assert "only shown now" in text_of(answer)
    assert "no-store" in answer["Cache-Control"]
    assert key not in str(dict(reader.session))
    assert key not in str(answer.cookies)
    assert key not in reader.get(address(device)).content.decode()
    rows = [*ApiKey.objects.values_list(), *AuditEntry.objects.values_list()]
    assert all(key not in repr(row) and key.encode() not in repr(row).encode() for row in rows)


def test_the_command_carries_the_key(reader: Client, device: Device) -> None:
    answer = rotated(reader, device)
    command = f'/api/v1/heartbeat -H "Authorization: Bearer {key_in(answer)}"'
    assert command in answer.content.decode().replace("&quot;", '"')


@pytest.mark.parametrize(
    ("hours", "left"),
    [("", None), ("24", timedelta(days=1)), ("168", timedelta(weeks=1)), ("0", timedelta())],
)
def test_the_older_key_ends_as_chosen(
    reader: Client, device: Device, hours: str, left: timedelta | None
) -> None:
    old = keys.new_device_key(device)
    new = key_in(rotated(reader, device, hours))
    assert holder(new) == device.pk
    assert holder(old) == (None if hours == "0" else device.pk)
    end = ApiKey.objects.earliest("pk").expires_at
    if left is None:
        assert end is None
    else:
        assert end is not None
        assert abs(end - clock.now() - left) < timedelta(minutes=1)


def test_a_choice_that_is_none_makes_nothing(reader: Client, device: Device) -> None:
    answer = rotated(reader, device, "3")
    assert "Nothing was saved" in text_of(answer)
    assert not ApiKey.objects.exists()


def test_a_reload_shows_no_key_and_makes_none(reader: Client, device: Device) -> None:
    form = form_of(reader.get(address(device)))
    first = reader.post(address(device), form)
    again = reader.post(address(device), form)
    assert again.status_code == 409
    assert "Nothing was changed. The device got a key since this form was opened." in text_of(again)
    assert key_in(first) not in again.content.decode()
    assert ApiKey.objects.count() == 1


def test_two_live_keys_ask_for_one_to_be_revoked_first(reader: Client, device: Device) -> None:
    for _ in range(2):
        keys.new_device_key(device)
    page = reader.get(address(device))
    assert "It has two valid keys, so a rotation is already in progress." in text_of(page)
    assert 'aria-disabled="true">Revoke a key first</button>' in page.content.decode()
    answer = reader.post(address(device), form_of(page))
    assert answer.status_code == 409
    assert "Nothing was changed. It already has two valid keys." in text_of(answer)
    assert ApiKey.objects.count() == 2


def test_the_list_says_how_keys_were_used_and_refused(reader: Client, device: Device) -> None:
    at = clock.now()
    told: list[dict[str, Any]] = [
        {"revoked_at": at - timedelta(days=31)},
        {"revoked_at": at},
        {"expires_at": at, "last_refused_at": at, "last_refused_reason": "expired"},
        {"last_used_at": at - timedelta(days=3)},
    ]
    for facts in told:
        keys.new_device_key(device)
        ApiKey.objects.filter(pk=ApiKey.objects.latest("pk").pk).update(**facts)
    html = reader.get(address(device)).content.decode()
    rows = re.findall(r'<tr role="row" data-state="(\w+)">(.*?)</tr>', html, re.DOTALL)
    assert [state for state, _ in rows] == ["live", "expired", "revoked"]
    assert "newest key" in rows[0][1]
    assert "older key" in rows[1][1]
    assert 'class="warn"' in rows[1][1]
    assert "Revoke…" not in rows[2][1]


@pytest.mark.parametrize(
    ("used", "warning"),
    [
        (None, "The device has not used its newest key yet. Make sure that it has the key that you keep."),
        (True, "The device uses its newest key. It no longer needs the older one."),
    ],
)
def test_revoking_says_whether_the_device_took_its_new_key(
    reader: Client, device: Device, warning: str, *, used: bool | None
) -> None:
    keys.new_device_key(device)
    only = "It is the only valid key. Without another one the device cannot report."
    assert only in text_of(reader.get(address(device)))
    keys.new_device_key(device)
    if used:
        ApiKey.objects.filter(pk=ApiKey.objects.latest("pk").pk).update(last_used_at=clock.now())
    assert warning in text_of(reader.get(address(device)))


def test_a_key_is_revoked_from_the_list(reader: Client, device: Device) -> None:
    key = keys.new_device_key(device)
    (revoke,) = re.findall(r'action="([^"]+/revoke/)"', reader.get(address(device)).content.decode())
    assert reader.get(revoke).status_code == 405
    answer = reader.post(revoke, follow=True)
    assert answer.redirect_chain == [(address(device), 302)]
    assert "is revoked." in text_of(answer)
    assert holder(key) is None
    assert "was already revoked. Nothing was changed." in text_of(reader.post(revoke, follow=True))
    assert AuditEntry.objects.filter(action="key-revoked").count() == 1


def test_only_keys_of_this_device_are_revoked_here(reader: Client, device: Device) -> None:
    keys.new_device_key(make_device(device.fleet))
    keys.new_provisioning_key(device.fleet)
    for key in ApiKey.objects.all():
        assert reader.post(f"{address(device)}{keys.fingerprint(key)}/revoke/").status_code == 404
    assert reader.post(f"{address(device)}{'0' * 12}/revoke/").status_code == 404
    assert not ApiKey.objects.exclude(revoked_at=None).exists()


@pytest.mark.parametrize(("role", "status"), [(Role.OBSERVER, 403), (None, 404)])
def test_nobody_else_revokes(client: Client, device: Device, role: Role | None, status: int) -> None:
    keys.new_device_key(device)
    client.force_login(make_member(device.organization if role else make_organization(), role or Role.OWNER))
    path = f"{address(device)}{keys.fingerprint(ApiKey.objects.get())}/revoke/"
    assert client.post(path).status_code == status
    assert ApiKey.objects.get().revoked_at is None


def test_query_count(
    reader: Client, device: Device, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for more in (1, 29):
        for _ in range(more):
            keys.new_device_key(device)
            ApiKey.objects.update(revoked_at=clock.now())
        with django_assert_num_queries(QUERIES):
            reader.get(address(device))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("what", ["deleted", "rotated"])
def test_what_happened_between_the_look_and_the_lock(what: str) -> None:
    device = make_device(make_fleet(make_organization()), name="kiosk-1")
    client = Client()
    client.force_login(make_member(device.organization))
    answers = []

    def meanwhile() -> None:
        if what == "deleted":
            lifecycle.delete(device=device, actor=None)
        else:
            key_rotation.rotate(device=device)

    with held_open(meanwhile):
        post = {"newest": "", "hours": ""}
        waiting = in_background(lambda: answers.append(client.post(address(device), post)))
    waiting.join(WAIT)
    (answer,) = answers
    if what == "deleted":
        assert answer.status_code == 404
        assert "kiosk-1 was deleted meanwhile" in text_of(answer)
    else:
        assert answer.status_code == 409
        assert "The device got a key since this form was opened." in text_of(answer)
        assert ApiKey.objects.count() == 1
