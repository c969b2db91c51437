"""The keys of many devices made from a list: handed out until somebody has them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.db import connection
from pytest_django import Settings

from dashboard.models import User
from devices import keys
from devices.background import preregistration
from devices.models import ApiKey, Device, DeviceList
from devices.operations import key_handout, lifecycle
from devices.operations.device_file import Line
from fleets.models import AuditEntry, Fleet, Role
from tests.devices.background.made import keep, make
from tests.factories import T0, make_fleet, make_member, seconds

pytestmark = pytest.mark.django_db(transaction=True)
LAST = key_handout.OFFERED - seconds(1)  # while keys are offered


@pytest.fixture
def fleet() -> Fleet:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")
    return make_fleet(device_type="rpi", vpn_enabled=False)


@pytest.fixture
def operator(fleet: Fleet) -> User:
    return make_member(fleet.organization, Role.OPERATOR, "olga")


def test_keys_are_handed_out_and_work(fleet: Fleet, operator: User) -> None:
    make(fleet, operator, Line(2, name="pump-1"), Line(3))
    listed, device = DeviceList.objects.get(), Device.objects.earliest("pk")
    keyed = key_handout.hand_out(listed=listed, actor=operator, at=T0)
    assert [(each.uuid, each.name, each.remark) for each in keyed] == [
        (each.uuid, each.name, "") for each in Device.objects.order_by("pk")
    ]
    found = keys.find(keyed[0].key, ApiKey.Kind.DEVICE, T0)
    assert found is not None
    assert (found.device, found.organization) == (device, fleet.organization)
    listed.refresh_from_db()
    assert (listed.keys_at, listed.keys_by_name) == (T0, "olga")
    assert ApiKey.objects.count() == 2
    entry = AuditEntry.objects.get(action="keys-handed-out")
    assert (entry.subject_id, entry.after) == (
        "pumps.csv",
        {"keys": 2, "job": str(listed.job and listed.job.uuid)},
    )


def test_the_same_keys_are_offered_for_a_day(fleet: Fleet, operator: User) -> None:
    make(fleet, operator, Line(2, name="pump-1"), Line(3))
    listed = DeviceList.objects.get()
    first = key_handout.hand_out(listed=listed, actor=operator, at=T0)
    assert key_handout.hand_out(listed=listed, actor=operator, at=T0 + LAST) == first
    assert ApiKey.objects.count() == 2
    again = AuditEntry.objects.filter(action="keys-handed-out").latest("pk")
    assert again.after == {"keys": 2, "job": str(listed.job and listed.job.uuid), "again": "yes"}
    listed.refresh_from_db()
    assert key_handout.offered_until(listed, T0 + LAST) == T0 + key_handout.OFFERED
    assert key_handout.offered_until(listed, T0 + key_handout.OFFERED) is None
    with pytest.raises(key_handout.NotOffered, match="no longer stored"):
        key_handout.hand_out(listed=listed, actor=operator, at=T0 + key_handout.OFFERED)
    assert not key_handout.confirm(listed=listed, actor=operator, at=T0 + key_handout.OFFERED)


def test_keys_that_somebody_has_are_offered_no_more_and_not_stored(fleet: Fleet, operator: User) -> None:
    make(fleet, operator, Line(2))
    listed = DeviceList.objects.get()
    assert not key_handout.confirm(listed=listed, actor=operator, at=T0)
    key_handout.hand_out(listed=listed, actor=operator, at=T0)
    assert key_handout.confirm(listed=listed, actor=operator, at=T0 + LAST)
    assert not key_handout.confirm(listed=listed, actor=operator, at=T0 + LAST)
    with pytest.raises(key_handout.NotOffered):
        key_handout.hand_out(listed=listed, actor=operator, at=T0 + LAST)
    listed.refresh_from_db()
    assert (listed.encrypted_keys, listed.keys_confirmed_at) == ("", T0 + LAST)
    assert AuditEntry.objects.filter(action="keys-confirmed", actor_name="olga").count() == 1


def test_offered_keys_cannot_be_read_from_the_database_alone(
    fleet: Fleet, operator: User, settings: Settings
) -> None:
    make(fleet, operator, Line(2, name="pump-1"))
    listed = DeviceList.objects.get()
    (first,) = key_handout.hand_out(listed=listed, actor=operator, at=T0)
    listed.refresh_from_db()
    assert listed.encrypted_keys
    assert first.key not in listed.encrypted_keys
    assert first.uuid not in listed.encrypted_keys
    former, settings.SECRET_KEY = settings.SECRET_KEY, "another-secret" * 5
    with pytest.raises(key_handout.NotOffered, match="SECRET_KEY of the site was changed"):
        key_handout.hand_out(listed=listed, actor=operator, at=T0 + LAST)
    settings.SECRET_KEY_FALLBACKS = [former]
    assert key_handout.hand_out(listed=listed, actor=operator, at=T0 + LAST) == [first]


def test_files_of_keys_are_forgotten_when_their_day_is_over(fleet: Fleet, operator: User) -> None:
    make(fleet, operator, Line(2))
    key_handout.hand_out(listed=DeviceList.objects.get(), actor=operator, at=T0)
    assert key_handout.forget(T0 + LAST) == 0
    assert key_handout.forget(T0 + key_handout.OFFERED) == 1
    assert DeviceList.objects.get().encrypted_keys == ""


def test_a_key_that_was_revoked_since_is_not_in_the_file_again(fleet: Fleet, operator: User) -> None:
    make(fleet, operator, Line(2), Line(3))
    listed = DeviceList.objects.get()
    first, second = key_handout.hand_out(listed=listed, actor=operator, at=T0)
    found = keys.named(first.key)
    assert found
    keys.revoke(found, T0 + LAST)
    assert key_handout.hand_out(listed=listed, actor=operator, at=T0 + LAST) == [
        replace(first, key="", remark="revoked since the first download"),
        second,
    ]


def test_a_device_that_has_a_key_already_keeps_it(fleet: Fleet, operator: User) -> None:
    make(fleet, operator, Line(2), Line(3))
    first = Device.objects.earliest("pk")
    keys.new_device_key(first)
    keyed = key_handout.hand_out(listed=DeviceList.objects.get(), actor=operator)
    assert [(bool(each.key), each.remark) for each in keyed] == [(False, "already has a key"), (True, "")]


def test_a_device_that_was_deleted_gets_none(fleet: Fleet, operator: User) -> None:
    make(fleet, operator, Line(2), Line(3))
    lifecycle.delete(device=Device.objects.earliest("pk"), actor=None)
    assert len(key_handout.hand_out(listed=DeviceList.objects.get(), actor=operator)) == 1


def test_there_are_no_keys_before_there_are_devices(fleet: Fleet, operator: User) -> None:
    listed = keep(fleet, operator, Line(2))
    preregistration.confirm(listed=listed, actor=operator)
    with pytest.raises(key_handout.NotOffered):
        key_handout.hand_out(listed=listed, actor=operator)
