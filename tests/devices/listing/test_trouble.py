"""Devices that need attention, read again after a change: only those whose row was written meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from django.db import transaction
from pytest_django import DjangoAssertNumQueries

from devices import clock, connectivity
from devices.listing.filters import Filters, Tag
from devices.listing.grouping import Lost
from devices.listing.trouble import Among, read_trouble
from devices.models import Device
from fleets.models import Fleet, Organization
from tests.devices.listing.incident import AT, everybody, lost_vpn
from tests.factories import T0, make_device, make_fleet, seconds

pytestmark = pytest.mark.django_db

NOW = clock.listened(AT)


def read(known: Sequence[Lost] = (), among: Among | None = None) -> Sequence[Lost]:
    return read_trouble(among or everybody(), NOW, [], known)


@pytest.fixture
def known() -> Sequence[Lost]:
    """A reading of three devices, of which the last one was lost last."""
    fleet = make_fleet()
    for number in range(3):
        lost_vpn(fleet, number, name=f"device-{number}")
    return read()


def written(**fields: object) -> None:
    with transaction.atomic():  # a row's version is the transaction that wrote it
        Device.objects.filter(name="device-1").update(**fields)


def test_what_was_not_written_is_taken_over_by_one_query(
    known: Sequence[Lost], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    everyone = everybody()
    with django_assert_num_queries(1):
        assert read(known, everyone) is known


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda: written(name="renamed"), id="renamed"),
        pytest.param(lambda: written(tags={"site": "harbour"}), id="tagged"),
        pytest.param(lambda: written(fleet=make_fleet(Organization.objects.get())), id="moved"),
        pytest.param(lambda: written(recorded_status_at=T0 + seconds(60)), id="lost again"),
        pytest.param(lambda: written(vpn_connected=True, vpn_changed_at=AT), id="recovered"),
        pytest.param(lambda: written(frozen_reason="allowance"), id="frozen"),
        pytest.param(lambda: Device.objects.get(name="device-1").delete(), id="deleted"),
        pytest.param(lambda: lost_vpn(Fleet.objects.get(), 70), id="another one"),
        pytest.param(
            lambda: make_device(
                Fleet.objects.get(), update_progress=40, progress_changed_at=T0, heartbeat_state="recent"
            ),
            id="one that has stalled",
        ),
        pytest.param(lambda: Device.objects.all().delete(), id="all deleted"),
    ],
)
def test_a_reading_after_a_change_is_what_reading_everything_gives(
    known: Sequence[Lost], change: Callable[[], object]
) -> None:
    with transaction.atomic():
        change()
    again = read(known)
    assert again == read()
    assert again != known
    same = {id(device) for device in known}
    assert sum(id(device) not in same for device in again) <= 1  # others were not read again


def test_rows_that_were_written_take_one_query_more(
    known: Sequence[Lost], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    written(name="renamed")
    everyone = everybody()
    with django_assert_num_queries(2):
        read(known, everyone)


def test_a_scope_with_a_tag_is_compared_likewise(known: Sequence[Lost]) -> None:
    written(tags={"site": "harbour"})
    harbour = Among(list(Organization.objects.all()), Filters(tags=(Tag("site", "harbour"),)))
    (one,) = here = read(among=harbour)
    assert read(here, harbour) is here
    written(name="renamed")
    (again,) = read(here, harbour)
    assert (one.name, again.name) == ("device-1", "renamed")


def test_what_the_clock_has_changed_is_read_each_time(known: Sequence[Lost]) -> None:
    device = lost_vpn(Fleet.objects.get(), 5, name="late")
    connectivity.record_heartbeats([device.pk], at=T0 + seconds(10))
    late = clock.listened(AT + seconds(3600))
    gone = read_trouble(everybody(), late, [device.pk], known)
    assert next(one for one in gone if one.id == device.pk).status == "offline"
    assert next(one for one in gone if one.id == device.pk).version == ""
