"""The demo organization: made once, made again, and as promised."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command
from django.db.models import QuerySet
from django.test import override_settings

from dashboard.demo import site as demo
from dashboard.models import User
from devices import clock, keys
from devices.listing.grouping import MANY
from devices.models import ApiKey, ConnectivityRecord, Device, StatusChange
from devices.rules.vocabulary import Status
from devices.simulator.keyfile import read_keys
from devices.simulator.run import Options, share_out
from devices.status.counts import count_by_status
from devices.status.reading import with_status
from fleets.models import Fleet, Membership, Organization, Role
from tests.factories import make_device, make_fleet, make_member, make_organization

pytestmark = pytest.mark.django_db


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "var" / "demo.json"


def shown(devices: QuerySet[Device]) -> list[Mapping[str, Any]]:
    """What a page would show of these devices, by name."""
    return list(with_status(devices).order_by("name").values())


def everything() -> list[object]:
    """All that the demo writes, to be compared."""
    models = (Organization, Fleet, Membership, Device, ApiKey, StatusChange, ConnectivityRecord)
    return [list(QuerySet(model).order_by("pk").values()) for model in models]


def test_making_it_again_changes_nothing(path: Path) -> None:
    account = demo.make(path)
    content, rows = path.read_bytes(), everything()
    assert demo.make(path) == account
    assert path.read_bytes() == content
    assert everything() == rows


def test_the_key_file_is_private_and_the_simulator_reads_it(path: Path) -> None:
    account = demo.make(path)
    assert path.stat().st_mode & 0o777 == 0o600
    read = read_keys(path)
    assert (read.organization, read.fleets, read.devices) == (
        "halden-transit",
        account.fleets,
        account.devices,
    )


def test_its_keys_open_what_they_should(path: Path) -> None:
    account, at = demo.make(path), clock.now()
    for plan in account.fleets:
        key = keys.find(plan.provisioning_key, ApiKey.Kind.PROVISIONING, at)
        assert key is not None
        assert key.fleet == Fleet.objects.get(slug=plan.slug)
        assert key.fleet.vpn_enabled is plan.vpn
        assert key.fleet.poll_interval == 10
    service = keys.find(account.service_key, ApiKey.Kind.SERVICE, at)
    assert service is not None
    assert service.organization == Organization.objects.get(slug="halden-transit")
    holders = keys.find_devices([each.key for each in account.devices], at)
    assert [holders[each.key].uuid for each in account.devices] == [e.uuid for e in account.devices]


def test_enough_devices_of_several_fleets_are_where_the_power_goes(path: Path) -> None:
    account = demo.make(path)
    (registering,) = (each.default for each in fields(Options) if each.name == "devices")
    assert isinstance(registering, int)
    counts = share_out(registering, list(account.fleets))
    fleets = [
        fleet.slug
        for count, fleet in zip(counts, account.fleets, strict=True)
        for number in range(count)
        if fleet.address_of(number) == account.dark
    ]
    assert len(fleets) >= MANY  # are one line on the page Attention
    assert len(set(fleets)) > 1
    places = {fleet.address_of(0) for fleet in account.fleets if fleet.weight}
    assert len(places) >= 3


def test_one_can_sign_in_and_owns_the_organization(path: Path) -> None:
    account = demo.make(path)
    user = authenticate(username=account.user, password=account.password)
    assert user is not None
    membership = Membership.objects.get(user_id=user.pk)
    assert membership.role == Role.OWNER
    assert membership.organization.slug == "halden-transit"
    assert not user.is_superuser


def test_it_has_what_virtual_devices_cannot_do(path: Path) -> None:
    demo.make(path)
    counts = count_by_status(Device.objects.all())
    assert {slug: n for slug, n in counts.items() if n} == {Status.INACTIVE: 3, Status.FROZEN: 3}
    frozen = shown(Device.objects.filter(fleet__slug="depot-vision"))
    assert [each["name"] for each in frozen] == sorted(demo.FROZEN)
    assert {each["status"] for each in frozen} == {Status.FROZEN}
    assert all(each["tags"] and each["notes"] for each in frozen)
    awaited = shown(Device.objects.filter(provisioned_at=None))
    assert [each["name"] for each in awaited] == ["bench-zero-1", "kiosk-depot-01"]
    assert all(each["first_contact_at"] is None and each["notes"] for each in awaited)


def test_its_allowance_is_nearly_full_with_the_devices_that_register(path: Path) -> None:
    demo.make(path)
    (registering,) = (each.default for each in fields(Options) if each.name == "devices")
    assert registering == demo.ALLOWANCE - 3
    assert Organization.objects.get().allowance == demo.ALLOWANCE


def test_the_retired_device_has_a_past(path: Path) -> None:
    demo.make(path)
    (device,) = shown(Device.objects.filter(name=demo.RETIRED))
    assert device["status"] == Status.INACTIVE
    assert device["deactivated_at"]
    assert device["tags"]
    changes = StatusChange.objects.filter(device=device["id"]).order_by("at", "id")
    assert {each.after for each in changes} == {
        Status.POST_PROVISIONING,
        Status.VPN_ONLY,
        Status.ONLINE,
        Status.HEARTBEAT_ONLY,
        Status.OFFLINE,
        Status.INACTIVE,
    }
    assert changes[len(changes) - 1].reason == {"slug": "deactivated", "by": "demo"}


def test_a_lost_file_gives_a_new_password_and_new_keys(path: Path) -> None:
    before = demo.make(path)
    devices = list(Device.objects.order_by("pk").values_list("pk", flat=True))
    path.unlink()
    after = demo.make(path)
    assert after.password != before.password
    assert authenticate(username="demo", password=before.password) is None
    assert authenticate(username="demo", password=after.password) is not None
    assert after.service_key != before.service_key
    assert list(Device.objects.order_by("pk").values_list("pk", flat=True)) == devices


def test_a_revoked_key_is_replaced_and_the_others_stay(path: Path) -> None:
    before = demo.make(path)
    lost = keys.find(before.fleets[1].provisioning_key, ApiKey.Kind.PROVISIONING, clock.now())
    assert lost is not None
    keys.revoke(lost)
    after = demo.make(path)
    same = [old == new for old, new in zip(before.fleets, after.fleets, strict=True)]
    assert same == [True, False, True, True, True, True]
    assert after.service_key == before.service_key
    assert after.password == before.password


def test_a_deleted_device_comes_back_and_renamed_fleets_stay(path: Path) -> None:
    demo.make(path)
    Fleet.objects.filter(slug="lab-bench").update(name="The bench", poll_interval=60)
    Device.objects.filter(name=demo.FROZEN[0]).delete()
    demo.make(path)
    assert Device.objects.filter(name=demo.FROZEN[0]).count() == 1
    fleet = Fleet.objects.get(slug="lab-bench")
    assert (fleet.name, fleet.poll_interval) == ("The bench", 60)


def test_the_file_of_a_site_that_is_gone_keeps_its_password(path: Path) -> None:
    before = demo.make(path)
    ApiKey.objects.all().delete()
    Device.objects.all().delete()
    Fleet.objects.all().delete()
    Organization.objects.all().delete()
    User.objects.all().delete()
    after = demo.make(path)
    assert after.password == before.password
    assert {each.uuid for each in after.devices}.isdisjoint(each.uuid for each in before.devices)


def test_it_takes_over_nobodys_account(path: Path) -> None:
    stranger = make_member(make_organization(), username="demo", password="their own")
    with pytest.raises(demo.Occupied, match="user demo"):
        demo.make(path)
    stranger.refresh_from_db()
    assert stranger.check_password("their own")
    assert not path.exists()


def test_it_takes_over_nobodys_fleet(path: Path) -> None:
    theirs = make_fleet(slug="lab-bench")
    make_device(theirs)
    with pytest.raises(demo.Occupied, match="fleet lab-bench"):
        demo.make(path)
    assert not theirs.provisioning_keys.exists()
    assert not path.exists()


@pytest.mark.thorough
def test_the_command_prints_the_same_twice(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with override_settings(STATE_DIRECTORY=path.parent):
        call_command("demo_data")
        first = capsys.readouterr().out
        call_command("demo_data")
    assert capsys.readouterr().out == first
    assert first.startswith("Sign in as demo with password ")


def test_the_command_says_what_is_wrong_with_the_file(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("{}")
    wrong = pytest.raises(CommandError, match="not the demo's key file")
    with override_settings(STATE_DIRECTORY=path.parent), wrong:
        call_command("demo_data")
