"""Rounds tell: the transition of an incident and the messages about it commit together."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from devices import clock
from devices.alerts import rules, telling
from devices.alerts.rounds import run_round
from devices.listing.grouping import ALONE
from devices.models import AlertMessage, AlertRule, AlertStep, AlertTarget, Condition, Teller
from tests.devices.alerts.test_rounds import make_devices, poll
from tests.factories import T0, make_fleet, seconds
from tests.incidents import make_incident, put_in

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]


def test_a_site_outage_is_one_message_and_one_when_it_is_over() -> None:
    fleet = make_fleet(vpn_enabled=False, poll_interval=60)
    rules.ship(fleet.organization)
    devices = make_devices(fleet, 40, public_address="203.0.113.7")
    spare = make_devices(fleet, 400)
    poll(devices, 0)
    for at in range(1, 900, 30):
        poll(spare, at)
        if at > 500:
            poll(devices, at)
        run_round(T0 + seconds(at))
    told = AlertMessage.objects.order_by("number").values_list("number", "kind")
    assert list(told) == [(1, "first"), (2, "resolved")]
    assert Teller.objects.get().ended_at == T0 + seconds(871)


def test_a_leader_that_begins_tells_nothing_twice() -> None:
    fleet = make_fleet(vpn_enabled=False, poll_interval=60)
    rules.ship(fleet.organization)
    poll(make_devices(fleet, 9), 0)
    for at in range(0, 400, 20):
        run_round(T0 + seconds(at), whole=at % 40 == 0)
    assert AlertMessage.objects.count() == 1


def queries_of_a_round(sites: int) -> int:
    """How many it takes to tell two targets of so many places at one moment, each of which lost 5 devices and
    a device alone.
    """
    fleet = make_fleet(vpn_enabled=False, poll_interval=60)
    organization = fleet.organization
    target = AlertTarget.objects.create(organization=organization, kind="webhook", name="Ops")
    rules.ship(organization)
    rule = AlertRule.objects.get(organization=organization, condition=Condition.STATUS)
    AlertStep.objects.create(rule=rule, target=target, after=0)
    incidents = []
    for number in range(sites):
        devices = make_devices(fleet, 6, public_address=f"203.0.113.{number}", update_progress=None)
        many = {"key": f"203.0.113.{number}", "what": "heartbeat", "now": 5, "tell_at": T0}
        one = many | {"kind": ALONE, "key": str(devices[5].pk), "now": 1, "at_most": 1}
        for fields, inside in ((many, devices[:5]), (one, devices[5:])):
            incidents.append(make_incident(organization, T0, **fields))
            put_in(incidents[-1], inside, rule)
    with CaptureQueriesContext(connection) as asked:
        telling.tell(incidents, clock.listened(T0))
    assert AlertMessage.objects.filter(incident__in=incidents, target=target).count() == min(20, 2 * sites)
    return len(asked)


def test_a_round_asks_as_often_for_one_incident_as_for_many() -> None:
    assert queries_of_a_round(2) == queries_of_a_round(10)
