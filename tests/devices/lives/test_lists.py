"""Random lives of devices against their lists: whatever happens, every filter, order and page agrees.

What each device is, is what with_status says, which tests/devices/lives/test_lives.py compares with the
model. Here the lists, read by index from what is recorded, must show exactly that, settled or not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import reduce
from typing import Any

import pytest
from django.db import transaction
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from dashboard.pages.devices.page import Listing, counted, listing
from dashboard.pages.parts.device_row import row_of
from dashboard.templating.indicators import heartbeat, vpn
from devices.clock import Moment, moment
from devices.history.flapping import flapping_links
from devices.listing import branches, in_order, index_scan
from devices.listing.filters import HEARTBEAT, VPN, Filters, Tag, matching
from devices.listing.listed import FIELDS, LONG_AGO, Listed
from devices.models import Device
from devices.operations import reports
from devices.rules.vocabulary import Status
from devices.status.reading import with_status
from fleets.models import Fleet, Organization
from tests.devices.lives.events import STEPS, UUIDS, Event, devices, events, make, tell
from tests.examples import examples
from tests.factories import T0, make_device, seconds

pytestmark = pytest.mark.django_db(transaction=False)

ICONS = {"connected": "connected", "disconnected": "lost", "never": "unknown", "off": "off"}
# The model's steps, and one after which what makes no progress has stalled.
steps = st.one_of(STEPS, STEPS, STEPS, st.sampled_from([1799.999999, 1800]))
told: st.SearchStrategy[Event | dict[str, Any]] = st.one_of(
    events,
    events,
    st.builds(
        dict,
        device=st.integers(0, 3),
        report=st.sampled_from(
            [
                {"update_progress": 10},
                {"update_progress": 20},
                {"update_progress": None},
                {"os_version": "2"},
                {"release": "b"},
                {"ip_addresses": ["10.0.0.9"]},
            ]
        ),
    ),
)
filters = st.builds(
    Filters,
    statuses=st.one_of(st.just(()), st.lists(st.sampled_from(Status), max_size=3, unique=True).map(tuple)),
    vpn=st.one_of(st.just(()), st.lists(st.sampled_from(list(VPN)), max_size=2, unique=True).map(tuple)),
    heartbeat=st.one_of(
        st.just(()), st.lists(st.sampled_from(list(HEARTBEAT)), max_size=3, unique=True).map(tuple)
    ),
    tags=st.sampled_from([(), (), (Tag("site"),), (Tag("site", "b"),), (Tag("site", has=False),)]),
    os_versions=st.sampled_from([(), (), ("2",), ("1", "2")]),
    silent=st.sampled_from([None, None, seconds(10), seconds(60), timedelta(minutes=31)]),
    text=st.sampled_from(["", "", "10.0", "even", "0000"]),
)
orders = st.sampled_from(["attention", "name", "contact", "release"])
KEYS: dict[str, Callable[[Any], Any]] = {
    "attention": lambda device: (device.rank, -(device.status_since - T0), -device.pk),
    "name": lambda device: (device.name, device.pk),
    "contact": lambda device: (-((device.last_contact or LONG_AGO) - T0), -device.pk),
    "release": lambda device: (device.release, device.pk),
}


def asked_for(device: Any, asked: Filters, at: datetime) -> bool:
    """The filters by their words, of one device read by with_status."""
    contact = device.last_contact
    words = [device.name, device.uuid, *device.ip_addresses]
    return (
        (not asked.statuses or device.status in asked.statuses)
        and (not asked.vpn or vpn(device).state in [ICONS[each] for each in asked.vpn])
        and (not asked.heartbeat or heartbeat(device).state in asked.heartbeat)
        and all(
            (tag.key in device.tags and tag.value in (None, device.tags[tag.key])) is tag.has
            for tag in asked.tags
        )
        and (not asked.os_versions or device.os_version in asked.os_versions)
        and (asked.silent is None or contact is None or contact < at - asked.silent)
        and any(word.startswith(asked.text) for word in words)
    )


def listed(device: Any) -> Listed:
    """What with_status says of a device, as a list reads it; without sort keys, which no row shows."""
    fields = [name for name in FIELDS if not name.startswith("sort_")]
    values = {field: value(device, field.split("__")) for field in fields}
    return Listed._make(values.get(field) for field in FIELDS)


def value(row: Any, path: list[str]) -> Any:
    """A field of a row, or of a row that it refers to; None where it refers to none."""
    return reduce(lambda found, name: getattr(found, name, None), path, row)


def pages(organization: Organization, asked: Filters, sort: str, at: Moment) -> list[Listing]:
    """All pages of two rows, each found by the cursor of the one before; and the same read backwards."""
    forth = [listing([organization], asked, sort, 2, at)]
    while forth[-1].next:
        forth.append(listing([organization], asked, sort, 2, at, after=forth[-1].next))
    back = forth[-1:]
    while back[0].previous:
        back.insert(0, listing([organization], asked, sort, 2, at, before=back[0].previous))
    assert [row.uuid for page in back for row in page.rows] == [
        row.uuid for page in forth for row in page.rows
    ]
    return forth


def check_lists(organization: Organization, asked: Filters, sort: str, at: datetime) -> None:
    in_fleets = Device.objects.filter(fleet__in=asked.fleets) if asked.fleets else Device.objects.all()
    known = moment(at)
    shown, at = list(with_status(in_fleets, known)), known.heard  # in an outage of ours no silence grows
    expected = sorted((d for d in shown if asked_for(d, asked, at)), key=KEYS[sort])
    assert {d.pk for d in matching([organization], asked, known)} == {d.pk for d in expected}
    uuids = [device.uuid for device in expected]
    found = pages(organization, asked, sort, known)
    unstable = flapping_links(expected, at)
    rows = [row_of(listed(device), unstable.get(device.pk, "")) for device in expected]
    assert [row for page in found for row in page.rows] == rows
    turned = pages(organization, asked, f"-{sort}", known)
    assert [row.uuid for page in turned for row in page.rows] == uuids[::-1]
    facets = dict.fromkeys(Status, 0) | Counter(
        Status(d.status) for d in shown if asked_for(d, replace(asked, statuses=()), at)
    )
    if found[0].counts is None:
        assert branches.FEW < 0  # so many that counting is put off
    else:
        assert found[0].counts == facets
        assert found[0].total == len(uuids)
    assert counted(found[0], [organization], asked, known).counts == facets


@given(
    fields=st.lists(devices, min_size=4, max_size=4),
    lives=st.lists(told, min_size=1, max_size=10),
    gaps=st.lists(steps, min_size=10, max_size=10),
    looks=st.lists(st.tuples(filters, orders, st.booleans()), min_size=2, max_size=4),
    few=st.sampled_from([-1, branches.FEW]),
    looked_at=st.sampled_from([1, in_order.LOOKED_AT]),
    seldom=st.sampled_from([-1, 1, index_scan.SELDOM]),
)
@hypothesis_settings(max_examples=examples(40))
def test_every_list_shows_what_its_devices_are(
    fields: list[dict[str, Any]],
    lives: list[Event | dict[str, Any]],
    gaps: list[float],
    looks: list[tuple[Filters, str, bool]],
    few: int,
    looked_at: int,
    seldom: int,
) -> None:
    # Few devices are sorted, many are read in order, and sorted after all where that leads nowhere: all ways
    # must lead to the same list.
    with transaction.atomic(), pytest.MonkeyPatch.context() as context:
        context.setattr(branches, "FEW", few)
        context.setattr(in_order, "LOOKED_AT", looked_at)
        context.setattr(index_scan, "SELDOM", seldom)
        model, clock = make(fields), T0
        for number, device in enumerate(Device.objects.order_by("pk")):
            Device.objects.filter(pk=device.pk).update(
                name="even" if number % 2 == 0 else "odd",
                tags=[{}, {"site": "a"}, {"site": "b"}, {"line": "b"}][number],
                os_version="1",
                release="a",
            )
        for event, gap in zip(lives, gaps, strict=False):
            clock += seconds(gap)
            if isinstance(event, dict):
                reporting = Device.objects.only("pk").get(uuid=UUIDS[event["device"]])
                reports.apply_reports([(reporting.pk, event["report"])], clock)
            else:
                tell(model, event, clock)
        organization = Organization.objects.get()
        of_one = tuple(Fleet.objects.order_by("pk")[:1])
        for asked, sort, narrowed in looks:
            check_lists(organization, replace(asked, fleets=of_one if narrowed else ()), sort, clock)
            clock += seconds(gaps[-1])
        transaction.set_rollback(True)


def test_devices_that_share_every_key_stand_by_their_number() -> None:
    first = make_device()
    for _ in range(6):
        make_device(first.fleet, name=first.name)
    for sort in KEYS:
        check_lists(first.organization, Filters(), sort, T0)


def test_those_that_stand_at_the_end_of_an_order_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(branches, "FEW", -1)
    monkeypatch.setattr(in_order, "LOOKED_AT", 2)  # six of the twenty, for pages of two
    fleet = make_device(name="a-00").fleet
    for number in range(1, 20):
        make_device(
            fleet, name=f"a-{number:02}", tags={"late": ""} if number > 12 else {}, release=f"{number}"
        )
    for sort in KEYS:
        check_lists(fleet.organization, Filters(tags=(Tag("late"),)), sort, T0)
