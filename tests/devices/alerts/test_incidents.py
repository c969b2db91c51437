"""Which incident a device stands in: late ones join, singles merge, stragglers go on alone."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from devices import clock, connectivity
from devices.alerts import rules, snapshot
from devices.alerts.parameters import OfStatus
from devices.alerts.rounds import run_round
from devices.listing.grouping import FLEET
from devices.models import AlertMessage, AlertStep, AlertTarget, Device, Incident, VpnServer
from devices.rules.vocabulary import Status
from fleets.models import Fleet
from tests.devices.alerts.test_rounds import keep_polling, make_devices, make_rule, poll
from tests.factories import T0, make_device, make_fleet, make_organization, seconds

pytestmark = pytest.mark.django_db


@pytest.fixture
def fleet() -> Fleet:
    return make_fleet(vpn_enabled=False, poll_interval=60)


def test_a_late_device_joins(fleet: Fleet) -> None:
    """Devices of an address that poll seldom are lost later than the others, though at the same moment."""
    make_rule(fleet)
    address = {"public_address": "203.0.113.7"}
    soon = make_devices(fleet, 5, **address)
    seldom = make_devices(fleet, 1, poll_interval=600, **address)
    poll([*soon, *seldom], 0)
    for at in range(100, 1200, 20):
        run_round(T0 + seconds(at))
    incident = Incident.objects.get()
    assert (incident.now, incident.last) == (6, T0 + seconds(915))


def lose_their_server(devices: list[Device]) -> None:
    """A VPN server of these devices, which poll on, reports for the last time at T0."""
    connectivity.vpn_alive("vpn-2", at=T0)
    connectivity.vpn_connected("vpn-2", [device.uuid for device in devices], T0)
    keep_polling(devices, 0, 650)


def test_a_silent_vpn_server_is_one_incident_of_all_its_devices() -> None:
    """Whatever fleets and addresses they have; two are enough, and no more of them is forecast to fall."""
    organization = make_organization()
    fleets = [make_fleet(organization, poll_interval=60) for _ in range(2)]
    make_rule(fleets[0], parameters=OfStatus((Status.HEARTBEAT_ONLY,)))
    devices = [make_device(one, public_address=f"203.0.113.{n}") for n, one in enumerate(fleets)]
    lose_their_server(devices)
    run_round(T0 + seconds(1))
    run_round(T0 + seconds(300))
    incident = Incident.objects.get()
    server = VpnServer.objects.get()
    assert (incident.kind, incident.key, incident.what) == (1, str(server.pk), "silent")
    assert (incident.first, incident.last, incident.now) == (T0 + seconds(60), T0 + seconds(60), 2)
    at = clock.moment(T0 + seconds(301))
    said = snapshot.taken(incident, snapshot.read([incident], at)[incident.pk], at, reason="fired", rules=[])
    assert said["summary"] == (
        "2 of 2 devices on VPN server vpn-2 lost the VPN, since the server stopped reporting, and kept the"
        " heartbeat"
    )
    assert said["forecast"] is None
    assert said["check_first"][0] == "Is the VPN server running?"
    for again in range(310, 500, 50):
        connectivity.vpn_alive("vpn-2", at=T0 + seconds(again))
    run_round(T0 + seconds(500))
    incident.refresh_from_db()
    assert incident.resolved_at == T0 + seconds(310)


def test_stragglers_go_on_alone(fleet: Fleet) -> None:
    """Who was told of the whole is told no first message of what is left."""
    rule = make_rule(fleet)
    rules.ship(fleet.organization)
    fleet.organization.alert_rules.exclude(pk=rule.pk).delete()
    page = AlertTarget.objects.get(organization=fleet.organization)
    AlertStep.objects.create(rule=rule, target=page)
    devices = make_devices(fleet, 5)
    poll(devices, 0)
    for at in range(100, 300, 20):
        run_round(T0 + seconds(at))
    keep_polling(devices[:4], 300, 2000)
    for at in range(300, 1100, 50):
        run_round(T0 + seconds(at))
    first, other = Incident.objects.order_by("pk")
    assert (first.state, first.at_most, first.resolved_at) == ("resolved", 5, T0 + seconds(420 + 600))
    reasons = first.members.order_by("reason").values_list("reason", flat=True)
    assert list(reasons) == ["apart", *["recovered"] * 4]
    assert (other.state, other.now, other.key) == ("firing", 1, str(devices[4].pk))
    assert other.parted_from == first
    assert [message.kind for message in AlertMessage.objects.order_by("pk")] == ["first", "resolved"]


def test_singles_that_share_a_cause_become_one(fleet: Fleet) -> None:
    make_rule(fleet, delay=timedelta(seconds=10))
    devices = make_devices(fleet, 5)
    for number, device in enumerate(devices):
        poll([device], 60 * number)
        run_round(T0 + seconds(60 * number + 1))
    for at in range(300, 500, 20):
        run_round(T0 + seconds(at))
    oldest, *others = Incident.objects.order_by("opened_at")
    assert (oldest.state, oldest.now, oldest.kind) == ("firing", 5, 6)
    assert {other.merged_into for other in others} == {oldest}
    assert {other.state for other in others} == {"resolved"}


def test_devices_that_are_not_due_yet_count_as_lost_together(fleet: Fleet) -> None:
    """Also where a round before has recorded that they are lost; they join when they are due."""
    make_rule(fleet, gather=timedelta())
    devices = make_devices(fleet, 5)
    for number, device in enumerate(devices):
        poll([device], 10 * number)
    for at in (1, 150, 226):
        run_round(T0 + seconds(at))
    assert Incident.objects.values_list("kind", "now").get() == (FLEET, 1)
    run_round(T0 + seconds(266))
    assert Incident.objects.values_list("kind", "now").get() == (FLEET, 5)


def queries(number: int) -> list[int]:
    """How many each round needs while so many devices are lost, are due, return and are gone."""
    fleet, counts = make_fleet(vpn_enabled=False, poll_interval=60), []
    make_rule(fleet)
    devices = make_devices(fleet, number)
    run_round(T0)
    poll(devices, 0)
    for at in (150, 230, 300):
        with CaptureQueriesContext(connection) as caught:
            run_round(T0 + seconds(at), whole=True)
        counts.append(len(caught))
    keep_polling(devices, 310, 500)
    for at in (320, 440):
        with CaptureQueriesContext(connection) as caught:
            run_round(T0 + seconds(at), whole=True)
        counts.append(len(caught))
    transaction.set_rollback(True)
    return counts


def test_a_round_needs_as_many_queries_for_6_as_for_30_devices() -> None:
    counts = []
    for number in (6, 30):
        with transaction.atomic():
            counts.append(queries(number))
    assert counts[0] == counts[1]
