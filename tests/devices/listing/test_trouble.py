"""Devices that need attention, read again after a change: only those whose row was written meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from django.db import transaction
from pytest_django import DjangoAssertNumQueries

from devices import clock, connectivity
from devices.listing import newest_recorded, trouble
from devices.listing.among import Among
from devices.listing.filters import Filters, Tag
from devices.listing.grouping import Lost
from devices.listing.trouble import Newest, read_trouble
from devices.models import Device
from fleets.models import Fleet, Organization
from tests.devices.listing.incident import AT, everybody, lost_vpn
from tests.factories import T0, make_device, make_fleet, seconds

pytestmark = pytest.mark.django_db

NOW = clock.listened(AT)


def read(known: Newest | None = None, among: Among | None = None) -> Newest:
    return read_trouble(among or everybody(), NOW, [], known)


@pytest.fixture
def known() -> Newest:
    """A reading of three devices, of which the last one was lost last."""
    fleet = make_fleet()
    for number in range(3):
        lost_vpn(fleet, number, name=f"device-{number}")
    return read()


def written(**fields: object) -> None:
    with transaction.atomic():  # a row's version is the transaction that wrote it
        Device.objects.filter(name="device-1").update(**fields)


def test_what_was_not_written_is_taken_over_by_one_query(
    known: Newest, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    everyone = everybody()
    with django_assert_num_queries(1):
        assert read(known, everyone).lost is known.lost


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
    known: Newest, change: Callable[[], object]
) -> None:
    with transaction.atomic():
        change()
    again = read(known)
    assert again == read()
    assert again.lost != known.lost
    same = {id(device) for device in known.lost}
    assert sum(id(device) not in same for device in again.lost) <= 1  # others were not read again


def test_rows_that_were_written_take_one_query_more(
    known: Newest, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    written(name="renamed")
    everyone = everybody()
    with django_assert_num_queries(2):
        read(known, everyone)


def test_a_row_that_was_written_with_what_was_read_before_changes_nothing(known: Newest) -> None:
    written(notes="behind the door")
    again = read(known)
    assert again.lost is known.lost
    assert again.versions != known.versions
    assert read(again) is again


def test_a_scope_with_a_tag_is_compared_likewise(known: Newest) -> None:
    written(tags={"site": "harbour"})
    harbour = Among(list(Organization.objects.all()), Filters(tags=(Tag("site", "harbour"),)))
    here = read(among=harbour)
    (one,) = here.lost
    assert read(here, harbour).lost is here.lost
    written(name="renamed")
    (again,) = read(here, harbour).lost
    assert (one.name, again.name) == ("device-1", "renamed")


def test_what_the_clock_has_changed_is_read_each_time(known: Newest) -> None:
    device = lost_vpn(Fleet.objects.get(), 5, name="late")
    connectivity.record_heartbeats([device.pk], at=T0 + seconds(10))
    late = clock.listened(AT + seconds(3600))
    gone = read_trouble(everybody(), late, [device.pk], known)
    assert next(one for one in gone.lost if one.id == device.pk).status == "offline"


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the newest three devices are shown, and two more are read."""
    monkeypatch.setattr(trouble, "LOOKED_AT", 3)
    monkeypatch.setattr(trouble, "SPARE", 0.7)
    monkeypatch.setattr(trouble, "MOST", 3)


def lose(*numbers: int, at_once: bool = False) -> None:
    fleet = Fleet.objects.first() or make_fleet()
    for number in numbers:
        lost_vpn(fleet, 0 if at_once else number, name=f"{number}")


def names(some: Sequence[Lost]) -> str:
    return " ".join(one.name for one in some)


@pytest.mark.usefixtures("few")
def test_a_reading_that_is_read_again_reaches_as_far_back_as_before(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    lose(*range(7))
    known = read()
    assert (names(known.lost), names(known.spare)) == ("6 5 4", "3 2")
    lose(7)
    everyone = everybody()
    with django_assert_num_queries(2):
        more = read(known, everyone)
    assert (names(more.lost), names(more.spare)) == ("7 6 5", "4 3 2")
    Device.objects.filter(name__in=["7", "5"]).delete()
    with django_assert_num_queries(1):
        fewer = read(more, everyone)
    assert (names(fewer.lost), names(fewer.spare)) == ("6 4 3", "2")
    assert known.floor == more.floor == fewer.floor == (known.spare[-1].since, known.spare[-1].id)


@pytest.mark.usefixtures("few")
def test_all_are_read_anew_once_many_have_left_or_come() -> None:
    lose(*range(7))
    known = read()
    Device.objects.filter(name__in=["6", "5", "4"]).delete()
    fewer = read(known)
    assert (names(fewer.lost), names(fewer.spare), fewer.floor) == ("3 2 1", "0", None)
    assert fewer == read()
    lose(*range(7, 12))
    known = read()
    lose(*range(12, 16))
    assert read(known) == read()


@pytest.mark.usefixtures("few")
def test_of_devices_lost_at_once_the_last_read_are_told_by_their_ids() -> None:
    lose(*range(7), at_once=True)
    known = read()
    assert (names(known.lost), names(known.spare)) == ("6 5 4", "3 2")
    assert read(known).lost is known.lost


def test_how_many_have_stalled_is_told_with_what_was_written(
    known: Newest, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert known.stalled == 0
    stalled = {"update_progress": 40, "progress_changed_at": T0, "heartbeat_state": "recent"}
    devices = [make_device(Fleet.objects.get(), **stalled) for _ in range(3)]
    again = read(known)
    assert (again.stalled, len(again.lost)) == (3, 6)
    Device.objects.filter(pk=devices[0].pk).update(progress_changed_at=AT)
    assert read(again).stalled == 2
    monkeypatch.setattr(newest_recorded, "FEW", 1)
    monkeypatch.setattr(newest_recorded, "MORE", 100)
    assert read(again).stalled == 2
    monkeypatch.setattr(trouble, "LOOKED_AT", 0)  # so that those that are looked at first are enough
    assert read(again).stalled is None
