"""Rounds tell: the transition of an incident and the messages about it commit together."""

from __future__ import annotations

import pytest

from devices.alerts import rules
from devices.alerts.rounds import run_round
from devices.models import AlertMessage, Teller
from tests.devices.alerts.test_rounds import make_devices, poll
from tests.factories import T0, make_fleet, seconds

pytestmark = pytest.mark.django_db


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
