"""What a rule would have told is what it told."""

from __future__ import annotations

from datetime import timedelta

import pytest

from devices import connectivity
from devices.alerts.rehearsal import rehearse
from devices.alerts.rounds import run_round
from devices.models import AlertRule, Condition, Incident
from tests.devices.alerts.test_rounds import make_devices, make_rule, poll
from tests.factories import T0, make_fleet, seconds

pytestmark = pytest.mark.django_db
END = 2000


def told(incidents: list[Incident]) -> list[tuple[object, ...]]:
    names = ("kind", "key", "what", "first", "last", "opened_at", "resolved_at", "at_most", "ever")
    return sorted((tuple(getattr(one, name) for name in names) for one in incidents), key=str)


@pytest.mark.parametrize("condition", [Condition.STATUS, Condition.TOGETHER])
def test_rehearsal_equals_live(condition: Condition) -> None:
    fleet = make_fleet(vpn_enabled=False, poll_interval=60)
    rule = make_rule(fleet, condition)
    site = make_devices(fleet, 8, public_address="203.0.113.7")
    others = make_devices(make_fleet(fleet.organization, vpn_enabled=False, poll_interval=60), 3)
    run_round(T0 - seconds(1))
    poll([*site, *others], 0)
    for at in range(10, END, 10):
        if at % 50 == 0 and at > 600:
            poll(site[:7], at)
        if at % 50 == 0 and (at < 1000 or at > 1200):
            poll(others[:1], at)
        if at % 30 == 0:
            run_round(T0 + seconds(at))
    until = T0 + seconds(END)
    run_round(until)
    found = rehearse(rule, T0 - seconds(1), until)
    assert found is not None
    live = list(Incident.objects.filter(merged_into=None))
    assert told(list(found.incidents)) == told(live)
    assert found.sizes[0] == 8
    assert found.longest >= timedelta(seconds=400)
    rule.refresh_from_db()
    assert found.came_back == rule.came_back


def test_a_rule_that_is_not_saved_may_be_rehearsed() -> None:
    fleet = make_fleet(vpn_enabled=False, poll_interval=60)
    poll(make_devices(fleet, 1), 0)
    rule = AlertRule(organization=fleet.organization, condition=Condition.STATUS, delay=0, hold=0)
    connectivity.settle(T0 + seconds(500))
    found = rehearse(rule, T0 - seconds(1), T0 + seconds(500))
    assert found is not None
    assert [one.opened_at for one in found.incidents] == [T0 + seconds(105)]
    assert not rule.pk
    silent = AlertRule(organization=fleet.organization, condition=Condition.SILENT, delay=0, hold=0)
    assert rehearse(silent, T0, T0 + seconds(500)) is None
