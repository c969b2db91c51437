"""Members of rules that do not match the devices are found and repaired, whatever was lost."""

from __future__ import annotations

import logging

import pytest

from devices import connectivity
from devices.alerts import verifying
from devices.alerts.rounds import run_round
from devices.models import IncidentMember, Signal
from tests.devices.alerts.test_rounds import make_devices, make_rule, poll
from tests.factories import T0, make_fleet, seconds

pytestmark = pytest.mark.django_db


def test_what_a_lost_signal_left_out_is_found_and_repaired(caplog: pytest.LogCaptureFixture) -> None:
    fleet = make_fleet(vpn_enabled=False, poll_interval=60)
    rule = make_rule(fleet)
    (device,) = make_devices(fleet, 1)
    poll([device], 0)
    run_round(T0 + seconds(100))
    connectivity.settle(T0 + seconds(120))
    assert list(verifying.sentences()) == []  # its signal waits for the next round
    Signal.objects.all().delete()
    run_round(T0 + seconds(125))  # too early to look at what no signal tells
    assert list(verifying.differences()) == [(rule, [device.pk])]
    assert list(verifying.sentences()) == [
        f"{fleet.organization}: the rule {rule} and device {device.uuid} do not match"
    ]
    with caplog.at_level(logging.ERROR):
        verifying.repair(T0 + seconds(126))
    assert "do not match 1 devices" in caplog.text
    run_round(T0 + seconds(127))
    assert IncidentMember.objects.get().since == T0 + seconds(105)
    assert list(verifying.differences()) == []


def test_where_no_round_was_there_is_nothing_to_say() -> None:
    make_rule(make_fleet())
    assert list(verifying.differences()) == []
