"""Devices come, move and go (domain.md, Lifecycle), by whom, and what history keeps."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, connection, transaction

from devices import connectivity, keys
from devices.models import ApiKey, ConnectivityRecord, Device, FormerKey, StatusChange
from devices.operations import lifecycle
from devices.operations.fleet_settings import change_fleet
from devices.rules.vocabulary import Status
from devices.status.reading import with_status
from fleets.access.digests import digests
from fleets.models import Role
from tests.factories import (
    T0,
    make_device,
    make_fleet,
    make_member,
    make_organization,
    make_uuid,
    seconds,
)

pytestmark = pytest.mark.django_db


def shown(device: Device, at: Any = T0) -> str:
    return str(with_status(Device.objects.filter(pk=device.pk), at).get().status)


def changes(device_id: int) -> list[tuple[str | None, str | None, str]]:
    rows = StatusChange.objects.filter(device_id=device_id).order_by("id")
    return [(row.before, row.after, row.reason.get("slug", "")) for row in rows]


def test_a_device_registers_itself() -> None:
    device = lifecycle.register(fleet=make_fleet(device_type="pi"), name="kiosk", at=T0)
    assert shown(device) == Status.POST_PROVISIONING
    assert (device.provisioned_at, device.first_contact_at, device.device_type) == (T0, None, "pi")
    assert len(device.uuid) == 32
    assert changes(device.pk) == [(None, "post-provisioning", "registered")]


@pytest.mark.parametrize("uuid", ["x", "A" * 32, "a" * 31, "a" * 33, "a" * 61, "a" * 32 + "\n"])
def test_a_uuid_is_32_or_62_lower_case_hex_characters(uuid: str) -> None:
    with pytest.raises(lifecycle.InvalidUuid):
        lifecycle.register(fleet=make_fleet(), uuid=uuid, at=T0)


@pytest.mark.parametrize("uuid", ["a" * 32, "0123456789abcdef" * 3 + "0123456789abcd"])
def test_a_uuid_is_taken_once(uuid: str) -> None:
    fleet = make_fleet()
    assert lifecycle.register(fleet=fleet, uuid=uuid, at=T0).uuid == uuid
    with pytest.raises(lifecycle.UuidTaken):
        lifecycle.register(fleet=fleet, uuid=uuid, at=T0)


def test_preregistered_is_inactive_until_contact() -> None:
    fleet = make_fleet()
    actor = make_member(fleet.organization, Role.OPERATOR)
    device, key = lifecycle.preregister(fleet=fleet, actor=actor, name="spare", at=T0)
    assert shown(device) == Status.INACTIVE
    assert ApiKey.objects.get(device=device).digest in digests(key)
    connectivity.record_heartbeats([device.pk], T0)
    assert shown(device) == Status.HEARTBEAT_ONLY


@pytest.mark.parametrize(
    ("elapsed", "refused"), [(0, "on time"), (1350, "late"), (1364.9, "late"), (1365, None)]
)
def test_deactivation_asks_for_both_links_down_at_that_instant(elapsed: float, refused: str | None) -> None:
    device, at = make_device(), T0 + seconds(elapsed)
    connectivity.record_heartbeats([device.pk], T0)
    if refused:
        with pytest.raises(lifecycle.StillConnected, match=f"heartbeat is {refused}"):
            lifecycle.deactivate(device=device, actor=None, at=at)
    else:
        lifecycle.deactivate(device=device, actor=None, at=at)
    assert (shown(device, at) == Status.INACTIVE) == (refused is None)


def test_a_connected_vpn_refuses_deactivation_whatever_the_badge() -> None:
    device = make_device(provisioning_state="Post-Provisioning")
    connectivity.vpn_connected("vpn-1", [device.uuid], T0)
    assert shown(device) == Status.POST_PROVISIONING
    with pytest.raises(lifecycle.StillConnected, match="VPN is connected"):
        lifecycle.deactivate(device=device, actor=None, at=T0)


def test_deactivated_twice_is_deactivated_once_and_contact_activates() -> None:
    device = make_device()
    for moment in (1, 2):
        lifecycle.deactivate(device=device, actor=None, at=T0 + seconds(moment))
    device.refresh_from_db()
    assert (device.deactivated_at, device.activated_at) == (T0 + seconds(1), None)
    connectivity.record_heartbeats([device.pk], T0 + seconds(3))
    device.refresh_from_db()
    assert (device.deactivated_at, device.activated_at) == (None, T0 + seconds(3))
    assert [after for _, after, _ in changes(device.pk)] == [
        "post-provisioning",
        "inactive",
        "heartbeat-only",
    ]


def test_a_move_stays_in_the_organization_and_keeps_history() -> None:
    organization = make_organization()
    here = make_fleet(organization)
    there = make_fleet(organization, vpn_enabled=False)
    device = make_device(here)
    lifecycle.move(device=device, fleet=there, actor=None, at=T0)
    device.refresh_from_db()
    assert (device.fleet, device.vpn_enabled) == (there, False)
    moved = StatusChange.objects.filter(device=device).latest("id")
    assert (moved.fleet_id, moved.before, moved.after) == (there.pk, moved.after, "post-provisioning")
    with pytest.raises(lifecycle.OtherOrganization):
        lifecycle.move(device=device, fleet=make_fleet(), actor=None, at=T0)


def test_deletion_removes_all_but_history_and_the_hashes_of_keys() -> None:
    fleet = make_fleet()
    device = lifecycle.register(fleet=fleet, uuid="a" * 32, name="kiosk", at=T0)
    kept = digests(keys.new_device_key(device))
    connectivity.record_heartbeats([device.pk], T0)
    gone = device.pk
    lifecycle.delete(device=device, actor=None, at=T0 + seconds(1))
    assert not Device.objects.filter(pk=gone).exists()
    assert not ApiKey.objects.exists()
    former = FormerKey.objects.get()
    assert (former.digest in kept, former.deleted_at) == (True, T0 + seconds(1))
    assert ConnectivityRecord.objects.filter(device_id=gone).count() == 1
    last = StatusChange.objects.filter(device_id=gone).latest("id")
    assert (last.before, last.after, last.at) == ("heartbeat-only", None, T0 + seconds(1))
    assert last.reason == {"slug": "deleted", "name": "kiosk", "uuid": "a" * 32}
    assert lifecycle.register(fleet=fleet, uuid="a" * 32, at=T0).pk != gone


def test_a_fleets_vpn_setting_rewrites_the_devices_that_follow_it() -> None:
    fleet = make_fleet()
    follows, insists = make_device(fleet), make_device(fleet, vpn_setting=True)
    for device in (follows, insists):
        connectivity.record_heartbeats([device.pk], T0)
    change_fleet(fleet=fleet, vpn_enabled=False, actor=None, at=T0 + seconds(1))
    assert (shown(follows), shown(insists)) == (Status.ONLINE, Status.HEARTBEAT_ONLY)


ACTIONS: list[tuple[str, Role]] = [
    ("preregister", Role.OPERATOR),
    ("deactivate", Role.OPERATOR),
    ("move", Role.OPERATOR),
    ("delete", Role.ADMINISTRATOR),
]


@pytest.mark.parametrize(("action", "needed"), ACTIONS)
@pytest.mark.parametrize("role", [*Role, None])
def test_each_action_asks_for_its_role(action: str, needed: Role, role: Role | None) -> None:
    device = make_device()
    actor = make_member(device.organization if role else make_organization(), role or Role.OWNER)
    arguments: dict[str, Any] = {"actor": actor, "at": T0}
    if action in ("preregister", "move"):
        arguments["fleet"] = device.fleet
    if action != "preregister":
        arguments["device"] = device
    if role and role.includes(needed):
        getattr(lifecycle, action)(**arguments)
    else:
        with pytest.raises(PermissionDenied), transaction.atomic():
            getattr(lifecycle, action)(**arguments)


# What the database keeps by itself


def test_the_organization_follows_the_fleet() -> None:
    fleet = make_fleet()
    device = Device(fleet=fleet, uuid=make_uuid())
    device.organization = make_organization()
    device.save()
    device.refresh_from_db()
    assert device.organization == fleet.organization


def test_no_path_can_forget_the_history() -> None:
    device = make_device()
    Device.objects.filter(pk=device.pk).update(frozen_reason="unpaid")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE devices_device SET frozen_reason = '' WHERE id = %s", [device.pk])
        cursor.execute("DELETE FROM devices_device WHERE id = %s", [device.pk])
    assert [after for _, after, _ in changes(device.pk)] == [
        "post-provisioning",
        "frozen",
        "post-provisioning",
        None,
    ]


@pytest.mark.parametrize(
    "fact",
    [
        {"uuid": "nonsense"},
        {"heartbeat_state": "fine"},
        {"frozen_reason": "whim"},
        {"update_progress": 101},
        {"poll_interval": 9},
        {"poll_interval": 86401},
    ],
)
def test_the_database_refuses_facts_that_cannot_be(fact: dict[str, Any]) -> None:
    device = make_device()
    with pytest.raises(IntegrityError), transaction.atomic():
        Device.objects.filter(pk=device.pk).update(**fact)


def test_histories_are_partitioned_by_month_and_refuse_no_time() -> None:
    device = make_device(created_at=T0)
    StatusChange.objects.create(
        organization_id=device.organization_id, fleet_id=device.fleet_id, device=device, at=T0
    )
    with connection.cursor() as cursor:
        cursor.execute("SELECT partrelid::regclass::text FROM pg_partitioned_table ORDER BY 1")
        tables = [row[0] for row in cursor.fetchall()]
    assert tables == ["devices_connectivityrecord", "devices_statuschange"]
    assert StatusChange.objects.filter(device=device, after=None).count() == 1
