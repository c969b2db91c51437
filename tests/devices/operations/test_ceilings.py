"""Ceilings hold for all processes together, and are counted in the database
(devices/operations/ceilings.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

import pytest
from pytest_django import Settings

from devices import keys
from devices.background import preregistration
from devices.ingest.admission import Admission
from devices.ingest.http import Refused
from devices.ingest.native import calls as native
from devices.ingest.rate_limits import RateLimits
from devices.listing.kept_list import KeptList
from devices.models import ApiKey, Device, DeviceList, SavedView, Selection
from devices.operations import bulk_actions, ceilings, lifecycle, saved_views
from devices.operations.device_file import Line
from fleets.models import AuditEntry, Fleet, Organization, Role
from fleets.services import fleets, organizations
from tests.at_once import at_once
from tests.factories import T0, make_device, make_fleet, make_member, seconds

Add = Callable[[], object]
MOST = 3
TRIES = 8


@pytest.fixture
def fleet() -> Fleet:
    return make_fleet()


@pytest.fixture(autouse=True)
def low(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.REGISTRATIONS_PER_HOUR = MOST
    for name in ("LISTS", "SELECTIONS"):
        monkeypatch.setattr(ceilings, name, MOST)
    monkeypatch.setattr(saved_views, "MOST", MOST)
    monkeypatch.setattr(organizations, "MOST", MOST)


def provisioning_key(fleet: Fleet) -> ApiKey:
    found = keys.named(keys.new_provisioning_key(fleet))
    assert found
    return found


def registering(fleet: Fleet) -> tuple[Add, Callable[[], int]]:
    key = provisioning_key(fleet)
    return partial(lifecycle.register, fleet=fleet, provisioning_key=key, at=T0), Device.objects.count


def listing(fleet: Fleet) -> tuple[Add, Callable[[], int]]:
    said: dict[str, Any] = {"fleet": fleet, "actor": make_member(fleet.organization), "file_name": "a.csv"}
    return partial(preregistration.keep, lines=[Line(2)], **said), DeviceList.objects.count


def selecting(fleet: Fleet) -> tuple[Add, Callable[[], int]]:
    devices = Device.objects.filter(pk=make_device(fleet).pk)
    said: dict[str, Any] = {"organization": fleet.organization, "listed": None}
    return lambda: bulk_actions.select(devices=devices.all(), **said), Selection.objects.count


def owning(fleet: Fleet) -> tuple[Add, Callable[[], int]]:
    actor = make_member(fleet.organization)
    before = Organization.objects.count()
    add = partial(organizations.create, name="Halden", actor=actor)
    return add, lambda: Organization.objects.count() - before


def keeping_views(fleet: Fleet, organization: Organization | None = None) -> tuple[Add, Callable[[], int]]:
    actor, names = make_member(fleet.organization), count()
    said: dict[str, Any] = {"actor": actor, "kept": KeptList(), "organization": organization}
    return lambda: saved_views.save(name=str(next(names)), **said), SavedView.objects.count


def sharing_views(fleet: Fleet) -> tuple[Add, Callable[[], int]]:
    return keeping_views(fleet, fleet.organization)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", [registering, listing, selecting, owning, keeping_views, sharing_views])
def test_of_many_at_once_as_many_come_in_as_there_is_room_for(
    fleet: Fleet, kind: Callable[[Fleet], tuple[Add, Callable[[], int]]]
) -> None:
    add, number = kind(fleet)
    came = at_once(*[add] * TRIES)
    refused = Counter(type(each) for each in came if isinstance(each, Exception))
    reached = (ceilings.Reached, ceilings.KeyPaused, saved_views.TooMany, organizations.TooMany)
    assert sum(refused[each] for each in reached) == TRIES - MOST
    assert refused.total() == TRIES - MOST
    assert number() == MOST


@pytest.mark.django_db
def test_an_hour_is_one_of_the_clock_and_a_key_counts_for_itself(fleet: Fleet) -> None:
    key, other = provisioning_key(fleet), provisioning_key(fleet)
    register = partial(lifecycle.register, fleet=fleet)
    for _ in range(MOST):
        register(provisioning_key=key, at=T0)
    with pytest.raises(ceilings.KeyPaused, match=r"from 13:00 UTC"):
        register(provisioning_key=key, at=T0 + seconds(3599))
    register(provisioning_key=other, at=T0)
    register(provisioning_key=key, at=T0 + seconds(3600))
    key.refresh_from_db()
    assert (key.registered, key.registered_in_hour) == (MOST + 1, 1)


@pytest.mark.django_db
def test_devices_that_were_deleted_count_on(fleet: Fleet, settings: Settings) -> None:
    settings.REGISTRATIONS_PER_KEY = 1
    key = provisioning_key(fleet)
    lifecycle.delete(device=lifecycle.register(fleet=fleet, provisioning_key=key, at=T0), actor=None)
    with pytest.raises(ceilings.KeySpent):
        lifecycle.register(fleet=fleet, provisioning_key=key, at=T0 + seconds(3600))
    assert not Device.objects.exists()


@pytest.mark.django_db
def test_a_key_that_went_with_its_fleet_registers_nothing(fleet: Fleet) -> None:
    key = provisioning_key(fleet)
    fleets.delete(fleet=fleet, actor=make_member(fleet.organization, Role.OWNER))
    with pytest.raises(lifecycle.FleetGone):
        lifecycle.register(fleet=fleet, provisioning_key=key, at=T0)


@pytest.mark.django_db
@pytest.mark.parametrize("status", [403, 429])
def test_administrators_see_that_a_key_was_refused_for_registering_too_many(
    fleet: Fleet, status: int
) -> None:
    key = keys.new_provisioning_key(fleet)

    async def is_known(key: str) -> bool:
        return True

    admission = Admission(is_known, RateLimits())
    call = next(call for call in native.CALLS if call.path == "/api/v1/register")
    admission._note(key, "192.0.2.7", call, Refused(status, "too many").status)
    admission._usage.write(T0)
    assert ApiKey.objects.get().last_refused_reason == "registered too many devices"
    assert AuditEntry.objects.filter(action="key-refused").count() == 1
