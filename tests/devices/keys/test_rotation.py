"""A device's key is replaced: by its operator with an overlap, or by the device itself."""

from __future__ import annotations

import io
import secrets
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command

from dashboard.management.commands import settle
from devices import clock, connectivity, keys
from devices.keys import rotation as key_rotation
from devices.models import ApiKey, Device, FormerKey
from devices.operations import lifecycle
from fleets.access.digests import digests
from tests.devices.ingest.world import World, make_device, make_world
from tests.factories import T0, seconds

Kind = ApiKey.Kind
CHOSEN = "chosen-by-the-device-" + "x" * 11


@pytest.fixture
def world(db: None) -> World:
    return make_world()


def stored(key: str) -> ApiKey:
    return ApiKey.objects.get(digest=digests(key)[0])


def accepted(*given: str, at: Any = None) -> list[str]:
    found = keys.find_devices(given, at or clock.now())
    return [key for key in given if key in found]


def test_two_keys_live_side_by_side_and_no_third(world: World) -> None:
    second = key_rotation.rotate(device=world.device)
    for add in (
        lambda: key_rotation.rotate(device=world.device),
        lambda: keys.new_device_key(world.device),
        lambda: keys.keep_device_key(world.device, CHOSEN),
    ):
        with pytest.raises(keys.TooMany):
            add()
    assert accepted(world.device_key, second, CHOSEN) == [world.device_key, second]
    assert keys.revoke(stored(world.device_key))
    third = key_rotation.rotate(device=world.device)
    assert accepted(world.device_key, second, third) == [second, third]


def test_a_rotation_ends_when_the_new_key_is_in_use(world: World) -> None:
    second = key_rotation.rotate(device=world.device)
    with pytest.raises(key_rotation.NotUsedYet):
        key_rotation.finish(device=world.device)
    assert accepted(world.device_key, second) == [world.device_key, second]
    ApiKey.objects.filter(pk=stored(second).pk).update(last_used_at=clock.now())
    key_rotation.finish(device=world.device)
    assert accepted(world.device_key, second) == [second]
    with pytest.raises(key_rotation.NotRotating):
        key_rotation.finish(device=world.device)


def test_an_overlap_ends_by_itself_and_never_later_than_the_key_would(world: World) -> None:
    at, hour = clock.now(), timedelta(hours=1)
    second = key_rotation.rotate(device=world.device, overlap=hour, at=at)
    just_before = at + hour - timedelta(microseconds=1)
    assert accepted(world.device_key, second, at=just_before) == [world.device_key, second]
    assert accepted(world.device_key, second, at=at + hour) == [second]
    ending = keys.new_device_key(world.stranger, expires_at=at + hour)
    key_rotation.rotate(device=world.stranger, overlap=2 * hour, at=at)
    assert stored(ending).expires_at == at + hour


def run(*command: str) -> str:
    out = io.StringIO()
    call_command(*command, stdout=out)
    return out.getvalue().strip()


def test_the_command_begins_and_finishes(world: World) -> None:
    second = run("rotate_key", world.device.uuid)
    with pytest.raises(CommandError, match="already has 2 valid keys"):
        run("rotate_key", world.device.uuid)
    with pytest.raises(CommandError, match="not used its new key"):
        run("rotate_key", world.device.uuid, "--finish")
    assert accepted(world.device_key, second) == [world.device_key, second]
    run("rotate_key", world.device.uuid, "--finish", "--unused")
    assert accepted(world.device_key, second) == [second]
    run("rotate_key", world.device.uuid, "--overlap", "0.5")
    end = stored(second).expires_at
    assert end is not None
    assert timedelta(minutes=29) < end - clock.now() <= timedelta(minutes=30)
    with pytest.raises(CommandError):
        run("rotate_key", "f" * 32)


# The device's own choice


def test_a_chosen_key_is_long_and_nobody_s(world: World) -> None:
    device = make_device(world.fleet, "c")
    with pytest.raises(keys.Guessable):
        keys.keep_device_key(device, CHOSEN[:31])
    for taken in (world.device_key, world.service_key, world.provisioning_key):
        with pytest.raises(keys.KeyTaken):
            keys.keep_device_key(device, taken)
    keys.revoke(stored(world.device_key))
    with pytest.raises(keys.KeyTaken):
        keys.keep_device_key(device, world.device_key)
    keys.keep_device_key(device, CHOSEN)
    assert accepted(CHOSEN) == [CHOSEN]
    assert ApiKey.objects.filter(device=device).count() == 1


@pytest.mark.parametrize(
    "key",
    [
        "x" * 32,
        "ab" * 20,
        "abcdefg" * 5 + "gfedcba",
        "0123456789abcdef" * 2,
        "correct-horse-" * 3,
        "5" * 62,
    ],
)
def test_a_chosen_key_without_randomness_is_refused(world: World, key: str) -> None:
    with pytest.raises(keys.Guessable, match="A key must be random"):
        keys.keep_device_key(make_device(world.fleet, "c"), key)
    with pytest.raises(keys.Guessable):
        exchange(world.device, world.device_key, key)
    assert accepted(world.device_key) == [world.device_key]


def test_a_chosen_key_is_not_the_uuid_that_everybody_sees(world: World) -> None:
    device = make_device(world.fleet, "0123456789abcdeffedcba9876543210")
    for key in (device.uuid, device.uuid.upper(), f"key-{device.uuid}"):
        with pytest.raises(keys.Guessable):
            keys.keep_device_key(device, key)


def test_random_keys_of_every_make_are_taken(world: World) -> None:
    every = (secrets.token_hex(16), secrets.token_hex(32), secrets.token_urlsafe(24), str(uuid4()))
    for digit, made in zip("cdef", every, strict=True):
        device = make_device(world.fleet, digit)
        keys.keep_device_key(device, made)
        assert accepted(made) == [made]


def test_a_key_under_an_older_pepper_is_taken_too(world: World, settings: Any) -> None:
    settings.KEY_PEPPER = ["new", *settings.KEY_PEPPER]
    with pytest.raises(keys.KeyTaken):
        keys.keep_device_key(world.stranger, world.device_key)


def exchange(device: Device, caller: str, new_key: str = CHOSEN, at: Any = None) -> None:
    keys.exchange(device_id=device.pk, caller=stored(caller), new_key=new_key, at=at)


def test_a_device_exchanges_its_key_for_all_it_had(world: World) -> None:
    second = key_rotation.rotate(device=world.device)
    exchange(world.device, world.device_key)
    assert accepted(world.device_key, second, CHOSEN) == [CHOSEN]
    exchange(world.device, CHOSEN)
    assert accepted(CHOSEN) == [CHOSEN]
    with pytest.raises(keys.NotAllowed):  # the old one was looked up before, the lock came later
        exchange(world.device, world.device_key, "y" * 32)
    assert accepted(CHOSEN, "y" * 32) == [CHOSEN]


def test_an_exchange_that_fails_leaves_the_key(world: World) -> None:
    for chosen, problem in (("short", keys.Guessable), (world.service_key, keys.KeyTaken)):
        with pytest.raises(problem):
            exchange(world.device, world.device_key, chosen)
        assert accepted(world.device_key) == [world.device_key]


def test_the_provisioning_key_exchanges_what_it_registered_within_a_day_before_any_poll(world: World) -> None:
    caller = stored(world.provisioning_key)
    device = lifecycle.register(fleet=world.fleet, provisioning_key=caller, at=T0)
    almost, day = T0 + seconds(24 * 3600 - 1), T0 + seconds(24 * 3600)
    assert keys.may_look_up(caller, device, T0)
    assert keys.may_look_up(caller, device, almost)
    exchange(device, world.provisioning_key, at=almost)
    assert accepted(CHOSEN) == [CHOSEN]
    assert not keys.may_look_up(caller, device, day)
    with pytest.raises(keys.NotAllowed):
        exchange(device, world.provisioning_key, "y" * 32, at=day)
    connectivity.record_heartbeats([device.pk], T0 + seconds(60))
    assert not keys.may_look_up(caller, device, T0 + seconds(61))
    with pytest.raises(keys.NotAllowed):
        exchange(device, world.provisioning_key, "y" * 32, at=T0 + seconds(61))
    assert accepted(CHOSEN, "y" * 32) == [CHOSEN]


def test_no_other_key_exchanges_or_looks_up(world: World) -> None:
    """Another key of the same fleet, a VPN server's, another device's; nor devices registered otherwise."""
    caller, at = stored(world.provisioning_key), clock.now()
    registered = lifecycle.register(fleet=world.fleet, provisioning_key=caller, at=at)
    others = [
        keys.new_provisioning_key(world.fleet),
        world.service_key,
        keys.new_service_key(None),
        world.device_key,
    ]
    preregistered, _ = lifecycle.preregister(fleet=world.fleet, actor=None)
    attempts = [(registered, other) for other in others]
    attempts += [(device, world.provisioning_key) for device in (preregistered, world.device, world.stranger)]
    for device, key in attempts:
        assert not keys.may_look_up(stored(key), device, at)
        with pytest.raises(keys.NotAllowed):
            exchange(device, key)
    with pytest.raises(keys.NotAllowed):
        keys.exchange(device_id=10**15, caller=caller, new_key=CHOSEN)
    assert accepted(CHOSEN) == []


def test_a_revoked_provisioning_key_exchanges_no_more(world: World) -> None:
    caller = stored(world.provisioning_key)
    device = lifecycle.register(fleet=world.fleet, provisioning_key=caller)
    keys.revoke(caller)
    with pytest.raises(keys.NotAllowed):
        exchange(device, world.provisioning_key)


# Former keys


def test_keys_of_a_deleted_device_are_remembered_for_ninety_days(world: World) -> None:
    digest = stored(world.device_key).digest
    lifecycle.delete(device=world.device, actor=None, at=T0)
    former = keys.former(world.device_key)
    assert former is not None
    assert (bytes(former.digest), former.device_uuid) == (bytes(digest), "a" * 32)
    assert keys.former("unknown") is None
    assert keys.forget_former(T0 + timedelta(days=90) - seconds(1)) == 0
    assert keys.forget_former(T0 + timedelta(days=90)) == 1
    assert keys.former(world.device_key) is None


def test_a_device_may_come_back_with_its_key_and_go_again(world: World) -> None:
    keys.keep_device_key(world.stranger, CHOSEN)
    for _ in range(2):
        lifecycle.delete(device=Device.objects.get(uuid="b" * 32), actor=None)
        assert keys.former(CHOSEN) is not None
        again = make_device(world.stranger.fleet, "b")
        keys.keep_device_key(again, CHOSEN)
        assert keys.former(CHOSEN) is None
        assert accepted(CHOSEN) == [CHOSEN]


def test_old_hashes_are_dropped_by_command_and_by_settle(world: World) -> None:
    drops: list[Callable[[], object]] = [partial(run, "forget_keys"), settle.Command().settle_once]
    for device, drop in zip([world.device, world.stranger], drops, strict=True):
        keys.new_device_key(device)
        lifecycle.delete(device=device, actor=None, at=T0)
        assert FormerKey.objects.exists()
        drop()
        assert not FormerKey.objects.exists()
