"""What happens to keys, in the audit log: one line for each change, none for none, and never a secret."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.core.management import call_command
from django.db import connection, transaction

from dashboard.models import User
from devices import keys
from devices.keys import rotation as key_rotation
from devices.models import ApiKey, Device
from devices.operations import lifecycle
from fleets.models import AuditEntry, Organization, Role
from tests.devices.keys.audit_lines import CHOSEN, print_of, stored
from tests.factories import T0, make_device, make_fleet, make_member, make_organization

HOUR = timedelta(hours=1)


@pytest.fixture
def organization(db: None) -> Organization:
    return make_organization(name="Halden")


@pytest.fixture
def ada(organization: Organization) -> User:
    return make_member(organization, Role.ADMINISTRATOR, "ada")


@pytest.fixture
def device(organization: Organization) -> Device:
    return make_device(make_fleet(organization, slug="kiosks"), name="kiosk-1")


def told() -> list[tuple[Any, ...]]:
    """The lines in the order they were written."""
    rows = AuditEntry.objects.order_by("pk")
    return [(e.action, e.actor_name, e.subject_kind, e.subject_id, e.before, e.after) for e in rows]


def newest() -> tuple[Any, ...]:
    return told()[-1]


@pytest.fixture(autouse=True)
def no_secret(db: None) -> Iterator[None]:
    """Whatever a test does, the log holds no key and no digest of one."""
    yield
    with connection.cursor() as cursor:
        cursor.execute("SELECT COALESCE(string_agg(to_jsonb(e)::text, ' '), '') FROM fleets_auditentry e")
        text = cursor.fetchone()[0]
    assert CHOSEN not in text
    for key in ApiKey.objects.all():
        assert bytes(key.digest).hex()[:13] not in text


# A person's and the console's


def test_keys_are_made_by_whom_for_what_and_how_long(
    organization: Organization, ada: User, device: Device
) -> None:
    end = T0 + HOUR
    service = keys.new_service_key(organization, "vpn", actor=ada, expires_at=end)
    provisioning = keys.new_provisioning_key(device.fleet, "line 7", actor=ada)
    own = keys.new_device_key(device, actor=ada, at=T0)
    p, s, d = print_of(provisioning), print_of(service), print_of(own)
    said = {"kind": "service", "key": s, "name": "vpn", "expires_at": end.isoformat()}
    also = {"kind": "provisioning", "key": p, "name": "line 7", "fleet": "kiosks", "expires_at": None}
    assert told() == [
        ("key-created", "ada", "key", s, None, said),
        ("key-created", "ada", "key", p, None, also),
        ("key-created", "ada", "device", device.uuid, None, {"kind": "device", "key": d, "expires_at": None}),
    ]
    text = " ".join(map(str, told()))
    assert not any(key in text for key in (service, provisioning, own))
    assert {(e.organization_id, e.organization_name) for e in AuditEntry.objects.all()} == {
        (organization.pk, "Halden")
    }


def test_a_key_of_the_site_is_in_no_organizations_log(db: None) -> None:
    key = keys.new_service_key(None, "vpn")
    keys.revoke(stored(key))
    assert set(AuditEntry.objects.values_list("organization_id", flat=True)) == {None}
    assert [line[0] for line in told()] == ["key-created", "key-revoked"]


def test_a_key_is_revoked_once(device: Device, ada: User) -> None:
    key = stored(keys.new_provisioning_key(device.fleet, "line 7"))
    assert keys.revoke(key, T0, actor=ada)
    assert not keys.revoke(key, T0 + HOUR, actor=ada)
    was = {
        "kind": "provisioning",
        "key": key.fingerprint,
        "name": "line 7",
        "fleet": "kiosks",
        "expires_at": None,
    }
    assert told()[1:] == [("key-revoked", "ada", "key", key.fingerprint, was, None)]
    assert AuditEntry.objects.latest("pk").at == T0


def test_a_rotation_names_both_keys_and_when_the_older_ends(device: Device, ada: User) -> None:
    first = print_of(keys.new_device_key(device, at=T0))
    second = print_of(key_rotation.rotate(device=device, overlap=HOUR, actor=ada, at=T0))
    end = (T0 + HOUR).isoformat()
    before = {"key": first, "older_key_expires_at": None}
    after = {"key": second, "older_key_expires_at": end}
    assert newest() == ("key-rotated", "ada", "device", device.uuid, before, after)
    key_rotation.finish(device=device, unused=True, actor=ada, at=T0)
    was = {"kind": "device", "key": first, "expires_at": end}
    assert newest() == ("key-revoked", "ada", "device", device.uuid, was, None)
    assert len(told()) == 3


def test_all_keys_replaced_are_one_line(device: Device) -> None:
    olds = [print_of(keys.new_device_key(device, at=T0)) for _ in range(2)]
    new = print_of(keys.replace_device_key(device, T0))
    line = ("key-rotated", "the console", "device", device.uuid, {"key": olds}, {"key": new})
    assert told()[2:] == [line]


def test_who_may_not_and_what_fails_leaves_no_line(device: Device) -> None:
    observer = make_member(device.organization, Role.OBSERVER)
    key = stored(keys.new_device_key(device, at=T0))
    attempts: list[Any] = [
        lambda: keys.new_device_key(device, actor=observer),
        lambda: keys.new_provisioning_key(device.fleet, actor=observer),
        lambda: keys.new_service_key(device.organization, actor=observer),
        lambda: keys.revoke(key, actor=observer),
        lambda: key_rotation.rotate(device=device, actor=observer),
        lambda: key_rotation.finish(device=device, actor=observer),
    ]
    for attempt in attempts:
        with pytest.raises(PermissionDenied), transaction.atomic():
            attempt()
    with pytest.raises(key_rotation.NotRotating), transaction.atomic():
        key_rotation.finish(device=device)
    keys.new_device_key(device)
    with pytest.raises(keys.TooMany), transaction.atomic():
        key_rotation.rotate(device=device)
    assert len(told()) == 2


def test_a_command_is_the_consoles_and_has_no_address(device: Device) -> None:
    call_command("create_key", "service", device.organization.slug, "--name", "vpn")
    entry = AuditEntry.objects.get()
    assert (entry.actor_name, entry.actor_id, entry.address) == ("the console", None, None)


def test_lifecycle_writes_a_line_and_none_for_the_key_that_comes_with_it(device: Device, ada: User) -> None:
    spare, _ = lifecycle.preregister(fleet=device.fleet, actor=ada, name="spare", at=T0)
    lifecycle.deactivate(device=device, actor=ada, at=T0)
    lifecycle.deactivate(device=device, actor=ada, at=T0)
    lifecycle.move(device=device, fleet=device.fleet, actor=ada, at=T0)
    assert [(line[0], line[3]) for line in told()] == [
        ("device-preregistered", spare.uuid),
        ("device-deactivated", device.uuid),
    ]
