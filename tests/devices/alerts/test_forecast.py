"""When devices of an incident will be Offline, unless they report."""

from __future__ import annotations

from datetime import datetime

import pytest

from devices import clock, connectivity
from devices.alerts import forecast
from devices.alerts.parameters import OfStatus
from devices.alerts.rounds import run_round
from devices.connectivity import outages
from devices.models import Incident
from devices.rules.vocabulary import Status
from tests.devices.alerts.test_rounds import make_rule
from tests.factories import T0, make_device, make_fleet, seconds

pytestmark = pytest.mark.django_db


def ends(at: float) -> datetime:
    """The one moment that the forecast of the one incident names."""
    incident = Incident.objects.get()
    said = forecast.of([incident], clock.moment(T0 + seconds(at)))[incident.pk]
    assert said["from"] == said["to"]
    return datetime.fromisoformat(said["to"])


def test_after_an_outage_it_is_a_whole_window_from_its_end_even_if_deadlines_have_yet_to_move() -> None:
    fleet = make_fleet(poll_interval=900, vpn_enabled=True)
    device = make_device(fleet)
    make_rule(fleet, parameters=OfStatus((Status.HEARTBEAT_ONLY,)))
    connectivity.record_heartbeats([device.pk], T0)
    run_round(T0 + seconds(1))
    run_round(T0 + seconds(300))
    assert ends(301) == T0 + seconds(1365)
    outages.record_liveness(T0 + seconds(301))
    outages.record_liveness(T0 + seconds(400))
    assert ends(401) == T0 + seconds(400 + 1365)
