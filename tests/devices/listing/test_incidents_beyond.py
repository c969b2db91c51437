"""What devices in trouble have in common, beyond those that are looked at."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from dashboard.pages.attention import items as attention
from devices import clock
from devices.listing import line_shares as shares
from devices.listing import lost_with, trouble
from devices.listing.among import Among
from devices.listing.grouping import grouped
from devices.listing.incidents import attended, fleet_sizes
from devices.models import Device, VpnServer
from tests.devices.listing.incident import AT, NEW, SITE, A, everybody, found, lost_vpn, shown_of
from tests.devices.listing.test_progressing import looked_at, updating
from tests.factories import T0, make_device, make_fleet, seconds

pytestmark = pytest.mark.django_db


@pytest.fixture(params=[1, 3, 4000])
def counted_at_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer than so many devices are counted at once, more of them line by line."""
    monkeypatch.setattr(lost_with, "LOOKED_AT", request.param)


def test_pages_lead_through_all_lines() -> None:
    fleet = make_fleet()
    for number in range(7):
        lost_vpn(fleet, 400 * number, name=f"device-{number}")
    pages, after = [], ""
    while True:
        page = attended(everybody(), clock.moment(AT)).page("attention", 3, after=after)
        pages.append([line.devices for line in page.rows])
        if page.next is None:
            break
        after = page.next
    assert [len(page) for page in pages] == [3, 3, 1]
    assert [ids for page in pages for ids in page] == [line.devices for line in found()]


@pytest.mark.usefixtures("counted_at_once")
def test_beyond_what_is_looked_at_a_group_is_counted_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = make_fleet(name="kiosks")
    for number in range(12):
        lost_vpn(fleet, number)
    monkeypatch.setattr(trouble, "LOOKED_AT", 6)
    shown = shown_of(found(), newest=attended(everybody(), clock.moment(AT)).newest)
    assert [item.sentence.split(" lost")[0] for item in shown] == ["12 of 12 devices in kiosks"]


@pytest.mark.usefixtures("counted_at_once")
def test_what_comes_after_a_reading_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet, at = make_fleet(name="kiosks"), clock.moment(AT)
    for number in range(12):
        lost_vpn(fleet, number)
    monkeypatch.setattr(trouble, "LOOKED_AT", 6)
    before = trouble.read_trouble(everybody(), at, [])
    for number in range(12, 14):
        lost_vpn(fleet, number)
    after = trouble.read_trouble(everybody(), at, [], before)
    assert (len(after.lost), len(after.spare)) == (6, 2)
    lines = grouped(after.lost, fleet_sizes).lines
    shown = shown_of(list(lines), newest=after)
    assert [item.sentence.split(" lost")[0] for item in shown] == ["14 of 14 devices in kiosks"]


@pytest.mark.usefixtures("counted_at_once")
@pytest.mark.parametrize(
    ("has", "place"),
    [(A, "at 203.0.113.7"), (SITE, "tagged site = harbour"), (NEW, "with release 2.0 in kiosks")],
)
def test_whatever_it_shares_a_group_is_counted_beyond_what_is_looked_at(
    monkeypatch: pytest.MonkeyPatch, has: dict[str, Any], place: str
) -> None:
    fleet = make_fleet(name="kiosks")
    for number in range(12):
        lost_vpn(fleet, number, **has)
    lost_vpn(fleet, 3, public_address="203.0.113.8")
    lost_vpn(fleet, -3600, **has)
    for _ in range(20):
        make_device(fleet, vpn_connected=True)
    monkeypatch.setattr(trouble, "LOOKED_AT", 6)
    shown = shown_of(found(), newest=attended(everybody(), clock.moment(AT)).newest)
    plain = [item.sentence.split(" lost")[0].replace("\u2068", "").replace("\u2069", "") for item in shown]
    assert plain == [f"12 of 13 devices {place}"]


@pytest.mark.usefixtures("counted_at_once")
def test_a_group_on_a_vpn_server_is_counted_beyond_what_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    server, other = (VpnServer.objects.create(name=name, boot="") for name in ("vpn-1", "vpn-2"))
    for number in range(12):
        lost_vpn(make_fleet(), number, vpn_server=server)
    lost_vpn(make_fleet(), 3, vpn_server=other)
    monkeypatch.setattr(trouble, "LOOKED_AT", 6)
    shown = shown_of(found(), newest=attended(everybody(), clock.moment(AT)).newest)
    assert [item.sentence.split(" lost")[0] for item in shown] == ["12 of 12 devices on VPN server vpn-1"]


@pytest.mark.usefixtures("counted_at_once")
def test_a_group_that_makes_no_progress_is_counted_beyond_what_is_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fleet = make_fleet(name="kiosks")
    stopped = {"vpn_connected": True, "heartbeat_state": "recent", "update_progress": 40}
    for number in range(12):
        make_device(fleet, **stopped, progress_changed_at=T0 + seconds(number))
    lost_vpn(fleet, 3)
    monkeypatch.setattr(trouble, "LOOKED_AT", 6)
    shown = shown_of(found(), newest=attended(everybody(), clock.moment(AT)).newest)
    assert "12 of 13 devices in kiosks" in [item.sentence.split(" stopped")[0] for item in shown]


def test_very_many_that_share_a_thing_are_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lost ones are, however many others there are at their address."""
    monkeypatch.setattr(attention, "MANY", 8)
    monkeypatch.setattr(shares, "MANY", 8)
    for number in range(10):
        lost_vpn(make_fleet(), number, public_address="203.0.113.7")
    shown = shown_of(found())
    assert [item.sentence.split(" lost")[0] for item in shown] == ["10 devices at 203.0.113.7"]


def test_few_rows_are_looked_at_where_very_many_stopped_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lost_with, "LOOKED_AT", 20)
    monkeypatch.setattr(trouble, "LOOKED_AT", 10)
    everybody_here, at = Among([updating(1000, 1000)]), clock.listened(AT)
    here = Device.objects.filter(pk__in=Device.objects.order_by("-created_at").values("pk")[:30])
    here.update(public_address="203.0.113.7")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE devices_device")
    newest = trouble.read_trouble(everybody_here, at, [])
    lines = grouped(newest.lost, fleet_sizes).lines
    with CaptureQueriesContext(connection) as queries:
        assert list(lost_with.lost_with(lines, everybody_here, newest, at).values()) == [30]
    assert sum(looked_at(query["sql"]) for query in queries) < 100
