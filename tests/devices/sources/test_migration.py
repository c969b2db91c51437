"""Devices of a source become devices of this site."""

from __future__ import annotations

from datetime import timedelta

import pytest

from devices import keys
from devices.integrity.checks import disagreements
from devices.models import ApiKey, Device, MirroredDevice, Source
from devices.sources.migration import NotHere, import_keys, keys_in, migrate
from fleets.models import Fleet
from tests.devices.sources.api import BalenaApi
from tests.devices.sources.swept import AT, swept
from tests.devices.sources.test_sweep import status
from tests.factories import make_fleet

LATER = AT + timedelta(seconds=30)


@pytest.fixture
def to(source: Source) -> Fleet:
    return make_fleet(source.organization, slug="ours")


def test_devices_are_taken_over_with_their_history(api: BalenaApi, source: Source, to: Fleet) -> None:
    swept(source)
    pumps = source.fleets.get(slug="admin/pumps")
    number = Device.objects.filter(fleet=pumps.fleet).count()
    report = migrate(mirrored=pumps, to=to, at=LATER)
    assert len(report.migrated) == number == Device.objects.filter(fleet=to).count()
    assert not MirroredDevice.objects.filter(device__fleet=to).exists()
    assert list(disagreements(LATER)) == []
    lost = Device.objects.get(uuid__endswith="4")
    assert (lost.heartbeat_state, status("4", 30)) == ("lost", "offline")
    assert status("2", 30) == "heartbeat-only"  # until it polls here, or its window ends
    assert status("2", 24 * 3600) == "offline"


def test_next_sweep_leaves_them_alone(api: BalenaApi, source: Source, to: Fleet) -> None:
    swept(source)
    migrate(mirrored=source.fleets.get(slug="admin/pumps"), to=to, at=LATER)
    before = list(Device.objects.filter(fleet=to).order_by("pk").values())
    swept(source, 600)
    assert list(Device.objects.filter(fleet=to).order_by("pk").values()) == before
    assert len(source.refused_uuids) == len(before)
    assert migrate(mirrored=source.fleets.get(slug="admin/pumps"), to=to, at=LATER).migrated == []


def test_dry_run_changes_nothing(api: BalenaApi, source: Source, to: Fleet) -> None:
    swept(source)
    report = migrate(mirrored=source.fleets.get(slug="admin/pumps"), to=to, dry_run=True, at=LATER)
    assert report.migrated
    assert not Device.objects.filter(fleet=to).exists()


def test_keys_are_imported_as_hashes(api: BalenaApi, source: Source, to: Fleet) -> None:
    swept(source)
    report = migrate(mirrored=source.fleets.get(slug="admin/pumps"), to=to, at=LATER)
    key, uuid = "3f9a" * 8 + "b7c1d2e8", "a0000000000000000000000000000002"
    found = keys_in(["uuid,key", f"{uuid},{key}", "a0000000000000000000000000000004,short"])
    assert import_keys(to, report, found, at=LATER) == 1
    assert list(report.left) == ["a0000000000000000000000000000004"]
    live = keys.find(key, ApiKey.Kind.DEVICE, LATER)
    assert live
    assert live.device == Device.objects.get(uuid=uuid)


def test_keys_may_be_imported_later_and_again(api: BalenaApi, source: Source, to: Fleet) -> None:
    swept(source)
    pumps, kiosks = source.fleets.get(slug="admin/pumps"), source.fleets.get(slug="admin/kiosks")
    migrate(mirrored=pumps, to=to, at=LATER)
    key, report = "3f9a" * 8 + "b7c1d2e8", migrate(mirrored=pumps, to=to, at=LATER)
    own, other = Device.objects.filter(fleet=to).first(), Device.objects.filter(fleet=kiosks.fleet).first()
    assert own
    assert other
    found = {own.uuid: key, other.uuid: key[::-1]}
    assert [import_keys(to, report, found, at=LATER) for _ in range(2)] == [1, 1]
    assert report.left == {}
    assert ApiKey.objects.filter(kind=ApiKey.Kind.DEVICE).count() == 1


def test_fleet_of_a_source_is_no_place_to_migrate_to(api: BalenaApi, source: Source) -> None:
    swept(source)
    pumps, kiosks = source.fleets.get(slug="admin/pumps"), source.fleets.get(slug="admin/kiosks")
    with pytest.raises(NotHere, match="is read from a source"):
        migrate(mirrored=pumps, to=kiosks.fleet, at=LATER)
    with pytest.raises(NotHere, match="another organization"):
        migrate(mirrored=pumps, to=make_fleet(), at=LATER)
    with pytest.raises(NotHere, match="columns uuid and key"):
        keys_in(["id,secret"])
