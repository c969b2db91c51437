"""Three kinds of keys: random, kept as digests, found while live, named by fingerprint."""

from __future__ import annotations

import hashlib
import hmac
import io
import re
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from devices import clock, keys
from devices.models import ApiKey, Device
from fleets.access.digests import digests
from tests.devices.ingest.world import World, make_device, make_world

Kind = ApiKey.Kind


@pytest.fixture
def world(db: None) -> World:
    return make_world()


def stored(key: str) -> ApiKey:
    return ApiKey.objects.get(digest=digests(key)[0])


def test_keys_are_random_and_only_their_digest_is_kept(world: World, settings: Settings) -> None:
    settings.KEY_PEPPER = ["salt", "older"]
    key, other = (keys.new_device_key(world.stranger) for _ in range(2))
    assert re.fullmatch(r"lko_d_[0-9a-f]{64}", key)
    assert key != other
    assert bytes(stored(key).digest) == hmac.new(b"salt", key.encode(), hashlib.sha256).digest()
    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(to_jsonb(k)::text, '') FROM devices_apikey k")
        assert key not in cursor.fetchone()[0]


def test_each_kind_is_for_what_it_is_for(world: World) -> None:
    at = clock.now()
    found = {
        (kind.value, name): keys.find(getattr(world, name), kind, at) is not None
        for kind in Kind
        for name in ("device_key", "provisioning_key", "service_key")
    }
    right = [("device", "device_key"), ("provisioning", "provisioning_key")]
    assert [pair for pair, is_found in found.items() if is_found] == [
        *right,
        ("service", "service_key"),
    ]
    provisioning = keys.find(world.provisioning_key, Kind.PROVISIONING, at)
    assert provisioning is not None
    assert (provisioning.fleet, provisioning.organization) == (world.fleet, world.organization)
    device = stored(world.device_key)
    assert (device.device, device.organization) == (world.device, world.organization)
    assert stored(keys.new_service_key(None)).organization is None


def test_a_change_of_pepper_keeps_older_keys(world: World, settings: Settings) -> None:
    settings.KEY_PEPPER = ["old"]
    old = keys.new_device_key(world.stranger)
    settings.KEY_PEPPER = ["new", "old"]
    new = keys.new_device_key(world.stranger)
    at = clock.now()
    assert set(keys.find_devices([old, new], at)) == {old, new}
    assert keys.find(old, Kind.DEVICE, at) is not None
    settings.KEY_PEPPER = ["new"]
    assert set(keys.find_devices([old, new], at)) == {new}
    assert keys.find(old, Kind.DEVICE, at) is None


def test_a_key_is_accepted_until_the_moment_it_expires(world: World) -> None:
    end = clock.now() + timedelta(minutes=5)
    device = keys.new_device_key(world.device, expires_at=end)
    service = keys.new_service_key(world.organization, expires_at=end)
    for moment, accepted in ((end - timedelta(microseconds=1), True), (end, False)):
        assert (device in keys.find_devices([device], moment)) is accepted
        assert (keys.find(service, Kind.SERVICE, moment) is not None) is accepted


def test_a_revoked_key_is_accepted_no_more(world: World) -> None:
    key, at = stored(world.device_key), clock.now()
    assert keys.revoke(key, at)
    assert not keys.revoke(key, at + timedelta(days=1))
    key.refresh_from_db()
    assert key.revoked_at == at
    assert keys.find_devices([world.device_key], at) == {}
    assert keys.find(world.device_key, Kind.DEVICE, at) is None


def test_devices_are_found_in_one_query_with_what_their_calls_need(world: World) -> None:
    told = {"poll_interval": 60, "frozen_reason": "unpaid", "name": "Door", "vpn_setting": False}
    Device.objects.filter(pk=world.device.pk).update(**told)
    by_fleet = make_device(world.fleet, "c")
    asked = {
        world.device_key: keys.KeyHolder(
            world.device.pk, world.device.uuid, "Door", world.organization.pk, "unpaid", True, 60, True
        ),
        keys.new_device_key(by_fleet): keys.KeyHolder(
            by_fleet.pk, by_fleet.uuid, "", world.organization.pk, "", False, 300, True
        ),
        keys.new_device_key(world.stranger): keys.KeyHolder(
            world.stranger.pk, world.stranger.uuid, "", world.stranger.organization.pk, "", False, 900, True
        ),
    }
    at = clock.now()
    with CaptureQueriesContext(connection) as queries:
        assert keys.find_devices([*asked, "unknown", world.service_key], at) == asked
    assert len(queries) == 1


def test_a_key_is_named_by_itself_or_its_fingerprint(world: World) -> None:
    key = stored(world.service_key)
    name = keys.fingerprint(key)
    assert re.fullmatch("[0-9a-f]{12}", name)
    assert keys.named(name) == key
    assert keys.named(world.service_key) == key
    assert keys.named("0" * 12) is None
    assert keys.named("unknown") is None
    assert keys.named("") is None
    ApiKey.objects.create(kind=Kind.SERVICE, digest=bytes(key.digest)[:6] + b"\xff" * 26)
    assert keys.named(name) is None


def run(*command: Any) -> str:
    out = io.StringIO()
    call_command(*command, stdout=out)
    return out.getvalue().strip()


def test_commands_make_list_and_revoke_keys(world: World) -> None:
    made = {
        "device": run("create_key", "device", world.device.uuid),
        "provisioning": run("create_key", "provisioning", "kiosks", "--name", "SD cards"),
        "service": run("create_key", "service", "ours"),
    }
    for kind, key in made.items():
        assert stored(key).kind == kind
    assert stored(made["device"]).device == world.device
    assert stored(made["provisioning"]).fleet == world.fleet
    assert stored(made["service"]).organization == world.organization
    site_wide = run("create_key", "service", "--site-wide")
    assert stored(site_wide).organization is None

    print_ = keys.fingerprint(stored(made["provisioning"]))
    assert run("revoke_key", print_) == f"The provisioning key {print_} is revoked."
    assert run("revoke_key", made["provisioning"]).endswith("was already revoked.")
    ApiKey.objects.filter(pk=stored(site_wide).pk).update(expires_at=clock.now())
    listed = [line.split("\t") for line in run("list_keys").splitlines()]
    assert [(line[1], line[2], line[3], line[5]) for line in listed[-4:]] == [
        ("device", world.device.uuid, "", "live"),
        ("provisioning", "kiosks", "SD cards", "revoked"),
        ("service", "ours", "", "live"),
        ("service", "site-wide", "", "expired"),
    ]
    assert len(run("list_keys", "--kind", "service").splitlines()) == 4
    assert not any(key in run("list_keys") for key in made.values())


def test_a_key_may_be_made_to_expire_and_tells_how_it_was_used(world: World) -> None:
    at = clock.now()
    key = run("create_key", "--days", "2.5", "provisioning", "kiosks")
    end = stored(key).expires_at
    assert end is not None
    assert timedelta(0) <= end - at - timedelta(days=2.5) < timedelta(minutes=1)
    ApiKey.objects.filter(pk=stored(key).pk).update(
        last_used_at=at.replace(minute=0, second=0, microsecond=0),
        last_refused_at=at.replace(microsecond=0),
        last_refused_reason="revoked",
    )
    (line,) = [line for line in run("list_keys").splitlines() if keys.fingerprint(stored(key)) in line]
    hour, refused = at.strftime("%Y-%m-%dT%H:00:00+00:00"), at.strftime("%Y-%m-%dT%H:%M:%S+00:00")
    assert line.split("\t")[6:] == [hour, f"{refused} revoked"]


@pytest.mark.parametrize(
    "command",
    [
        ("create_key", "device", "f" * 32),
        ("create_key", "provisioning", "nowhere"),
        ("create_key", "service", "nobody"),
        ("create_key", "service"),
        ("create_key", "service", "ours", "--site-wide"),
        ("create_key",),
        ("revoke_key", "nothing"),
    ],
)
def test_commands_say_what_does_not_exist(world: World, command: tuple[str, ...]) -> None:
    before = ApiKey.objects.count()
    with pytest.raises(CommandError):
        run(*command)
    assert ApiKey.objects.count() == before
