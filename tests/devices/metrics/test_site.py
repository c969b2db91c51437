"""The metrics of the whole site: as the pages show it at the same moment, from one snapshot."""

from __future__ import annotations

import math
import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from devices import clock, connectivity
from devices.connectivity import outages
from devices.history import retention
from devices.metrics import site
from devices.models import Device, Job, Outage, Source, Teller, Verification, VpnServer
from devices.rules.vocabulary import Status
from devices.status.counts import count_attention, count_by_status
from tests.devices.metrics.reading import Samples, flat, one, total
from tests.devices.status.test_counts import plan
from tests.factories import make_device, make_devices, make_fleet, make_organization

pytestmark = pytest.mark.django_db


def read() -> Samples:
    return flat(site.read("1.2.3"))


def test_devices_are_counted_as_pages_count_them_at_the_same_moment() -> None:
    organization = make_organization(slug="works")
    fleets = [make_fleet(organization, slug=slug) for slug in ("pumps", "gates", "empty")]
    for number, fleet in enumerate(fleets[:2], 2):
        for _ in range(number):
            make_device(fleet)
    at = clock.now()
    polled, gone = Device.objects.order_by("pk")[:2]
    connectivity.record_heartbeats([polled.pk], at)
    connectivity.record_heartbeats([gone.pk], at - timedelta(days=1))  # its deadlines passed, unrecorded
    found, moment = read(), clock.moment()
    for status, number in count_by_status(Device.objects.all(), moment).items():
        assert total(found, "lookout_devices", status=status) == number
    assert total(found, "lookout_devices") == Device.objects.count() == 5
    assert total(found, "lookout_attention") == count_attention(Device.objects.all(), moment) == 2
    for status in Status.values:  # zeros too
        assert one(found, "lookout_devices", organization="works", fleet="empty", status=status) == 0


def test_fleets_beyond_the_ceiling_share_one_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site, "FLEETS", 2)
    organization, other = make_organization(slug="works"), make_organization(slug="others")
    for number in range(5):
        make_device(make_fleet(organization, slug=f"fleet-{number}"))
    make_device(make_fleet(other, slug="theirs"))
    found = read()
    fleets = {dict(labels)["fleet"] for name, labels in found if name == "lookout_attention"}
    assert fleets == {"fleet-0", "fleet-1", "other", "theirs"}
    assert total(found, "lookout_devices", organization="works", fleet="other") == 3
    assert total(found, "lookout_devices") == 6


def test_what_works_aside_is_told_by_how_far_it_is_behind() -> None:
    found = read()
    assert one(found, "lookout_teller_lag_seconds") == math.inf
    assert one(found, "lookout_settle_lag_seconds") == 0
    assert "lookout_verification_differences" not in {name for name, _ in found}
    at = clock.now()
    Teller.objects.create(ended_at=at - timedelta(seconds=40))
    Verification.objects.create(began_at=at - timedelta(days=1), ended_at=at, found=7)
    Verification.objects.create(began_at=at, ended_at=at, found=3)
    organization = make_organization()
    Job.objects.create(organization=organization, kind="bulk", title="Move", created_at=at)
    connectivity.record_heartbeats([make_device().pk], at - timedelta(days=1))
    found = read()
    assert 40 <= one(found, "lookout_teller_lag_seconds") < 100
    assert one(found, "lookout_settle_lag_seconds") > 3600
    assert one(found, "lookout_verification_differences") == 3
    assert one(found, "lookout_jobs", state="waiting") == 1
    assert one(found, "lookout_jobs", state="failed") == 0
    assert one(found, "lookout_build_info", version="1.2.3") == 1


def test_an_outage_of_ours_is_told_while_it_lasts_and_counted_when_it_is_over() -> None:
    assert one(read(), "lookout_listening") == 0  # nothing has listened yet
    at = clock.now()
    outages.record_liveness(at)
    found = read()
    assert one(found, "lookout_listening") == 1
    assert one(found, "lookout_outage_seconds_total") == 0
    cut = retention.cut_at(at)
    Outage.objects.create(began_at=cut - timedelta(hours=2), ended_at=cut - timedelta(hours=1))
    Outage.objects.create(began_at=at - timedelta(minutes=2), ended_at=at - timedelta(minutes=1))
    assert one(read(), "lookout_outage_seconds_total") == 3660
    retention.drop_old(cut)  # what is forgotten stays counted
    assert Outage.objects.count() == 1
    assert one(read(), "lookout_outage_seconds_total") == 3660


def test_vpn_servers_are_counted_once_whatever_their_boots() -> None:
    organization, at = make_organization(slug="works"), clock.now()
    for boot, ends in (("a", at - timedelta(hours=1)), ("b", at + timedelta(minutes=1))):
        VpnServer.objects.create(organization=organization, name="eu", boot=boot, lease_until=ends)
    VpnServer.objects.create(organization=organization, name="us", lease_until=at - timedelta(hours=1))
    VpnServer.objects.create(name="of-the-site")
    found = read()
    states = {"reporting": 1, "silent": 1, "without-signs": 0}
    for state, number in states.items():
        assert one(found, "lookout_vpn_servers", organization="works", state=state) == number
    assert one(found, "lookout_vpn_servers", organization="", state="without-signs") == 1


def test_a_source_is_as_old_as_what_was_last_read_of_it() -> None:
    organization, at = make_organization(slug="works"), clock.now()
    hour = timedelta(hours=1)
    address = "https://api.example.com"
    for name, swept_at in (("read", at - hour), ("new", None)):
        Source.objects.create(
            organization=organization, name=name, address=address, created_at=at - 2 * hour, swept_at=swept_at
        )
    found = read()
    for name, age in (("read", 3600), ("new", 7200)):
        labels = {"organization": "works", "source": name}
        assert one(found, "lookout_source_age_seconds", **labels) == pytest.approx(age, abs=100)


def test_the_number_of_queries_does_not_depend_on_how_many_fleets_there_are() -> None:
    numbers = []
    for more in (1, 30):
        for _ in range(more):
            make_device()
        with CaptureQueriesContext(
            connection,
        ) as captured:
            read()
        numbers.append(len(captured))
    assert numbers[0] == numbers[1] <= 18


@pytest.mark.django_db(transaction=True)
def test_no_query_reads_all_devices() -> None:
    organization = make_organization()
    fleets = [make_fleet(organization) for _ in range(40)]
    for fleet in fleets:
        make_devices(fleet, 100)
    connectivity.record_heartbeats(list(Device.objects.values_list("pk", flat=True)), clock.now())
    connectivity.settle()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    with CaptureQueriesContext(connection) as captured:
        read()
    read_whole = set()
    for query in captured.captured_queries:
        if query["sql"].startswith(("SELECT", "\nSELECT", "WITH", "\nWITH", "(")):
            read_whole |= set(re.findall(r"Seq Scan on (\w+)", plan(query["sql"])))
    assert not read_whole & {"devices_device", "devices_heartbeat", "devices_statuschange"}
    assert "devices_fleetcount" in read_whole  # which has a row for each fleet and status
