"""A refresh is answered 304 as long as nothing that the page shows changes, whatever goes on at the site."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from devices import clock, connectivity, jobs
from devices.connectivity import outages
from devices.models import Device, Job, VpnServer
from devices.status import counters
from fleets.models import Fleet, Role
from tests.dashboard.pages.attention.lost import lose
from tests.factories import make_device, make_fleet, make_member, make_organization, make_uuid
from tests.incidents import make_incident, make_rule, put_in
from tests.mirrors import mirror
from tests.pages import make_every_status, refresh, uuids_in
from tests.still import stand_still

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)
PATHS = ["/", "/?range=7d", "/devices/", "/devices/?columns=type&sort=name", "/devices/?status=online"]
PATHS += [
    "/fleets/kiosks/",
    "/fleets/read/",
    "/attention/",
    "/attention/?by=site",
    "/attention/?fleet=kiosks",
]
PATHS += ["/incidents/", "{incident}", "{job}"]


@dataclass
class Site:
    """A site with devices in every status, and more on a second page, at half past an hour."""

    client: Client
    monkeypatch: pytest.MonkeyPatch
    at: datetime
    fleet: Fleet
    many: list[Device]
    paths: list[str]

    def pass_on(self, seconds: float) -> None:
        """Let so much time pass, in which the site listens."""
        for _ in range(int(seconds)):
            self.at += SECOND
            stand_still(self.monkeypatch, self.at)
            outages.beat(self.at)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch, client: Client) -> Site:
    at = clock.now().replace(minute=30, second=5, microsecond=123456)
    stand_still(monkeypatch, at)
    outages.beat(at)
    organization = make_organization()
    client.force_login(make_member(organization, Role.OWNER))
    fleet = make_fleet(organization, name="kiosks", slug="kiosks")
    made = make_every_status(fleet)
    lost = lose(fleet, 6, public_address="203.0.113.7", tags={"site": "harbour"})
    lone = make_device(fleet, name="lone", uuid=make_uuid(), tags={"site": "depot"})
    connectivity.record_heartbeats([lone.pk], at - timedelta(minutes=20))  # overdue
    mirror(make_device(make_fleet(organization, name="read", slug="read")), swept_at=at)
    many = [make_device(fleet, name=f"z-{number}", uuid=make_uuid()) for number in range(45)]
    connectivity.record_heartbeats([device.pk for device in many], at - timedelta(seconds=9))
    connectivity.vpn_alive("vpn-1", None, at)
    connectivity.vpn_alive("vpn-kiosks", None, at)
    connectivity.settle(at)
    incident = make_incident(organization, at - timedelta(minutes=9))
    put_in(incident, lost, make_rule(organization))
    started: dict[str, Any] = {"kind": Job.Kind.PREREGISTER, "title": "Preregister", "parameters": {}}
    job = jobs.start(organization=organization, actor=None, total=3, **started)
    own = {"{incident}": f"/incidents/{incident.uuid}/", "{job}": f"/jobs/{job.uuid}/"}
    paths = [own.get(path, path) for path in PATHS]
    paths += [f"/devices/{device.uuid}/" for device in (*made.values(), lost[0], lone)]
    return Site(client, monkeypatch, at, fleet, many, paths)


def renewed(site: Site) -> None:
    """Each VPN server renews its lease."""
    before = set(VpnServer.objects.values_list("lease_until", flat=True))
    site.pass_on(2)
    for server in VpnServer.objects.all():
        connectivity.vpn_alive(server.name, None, site.at)
    assert before.isdisjoint(VpnServer.objects.values_list("lease_until", flat=True))


def unseen(site: Site) -> Device:
    """A device that is not among the first of any list."""
    pages = "".join(site.client.get(path).content.decode() for path in site.paths)
    return next(device for device in site.many if device.uuid not in pages)


GOING_ON: dict[str, Callable[[Site], object]] = {
    "seconds pass, and liveness signs are recorded": lambda site: site.pass_on(8),
    "leases of VPN servers are renewed": renewed,
    "a device that is in no list polls": lambda site: connectivity.record_heartbeats(
        [unseen(site).pk], site.at
    ),
    "counters are folded": lambda site: counters.fold(),
    "deadlines are settled": lambda site: connectivity.settle(site.at),
    "rows are written with what no page shows": lambda site: Device.objects.update(
        own_name="x", vpn_session="y", facts_at=site.at, facts_reason={"slug": "report"}
    ),
}


@pytest.mark.thorough
@pytest.mark.parametrize("going_on", GOING_ON.values(), ids=list(GOING_ON))
def test_a_page_that_shows_the_same_is_not_sent_again(site: Site, going_on: Callable[[Site], object]) -> None:
    before = {path: opened(site.client, path) for path in site.paths}
    going_on(site)
    for path, page in before.items():
        status, queries = refreshed(site.client, path, page)
        assert (path, status, queries) == (path, 304, page.queries)


@dataclass
class Open:
    """A page that somebody opened: its polling tag, its rows, and how many queries its refresh takes."""

    tag: str
    rows: str
    queries: int = 0


def opened(client: Client, path: str) -> Open:
    page = client.get(path)
    shown = Open(page["HX-PTag"], uuids_in(page) if "HX-Shown" in page.content.decode() else "")
    _, shown.queries = refreshed(client, path, shown)
    return shown


def refreshed(client: Client, path: str, page: Open) -> tuple[int, int]:
    """The status and the number of queries of a refresh."""
    with CaptureQueriesContext(connection) as queries:
        answer = refresh(client, path, page.tag, page.rows)
    return answer.status_code, len(queries)
