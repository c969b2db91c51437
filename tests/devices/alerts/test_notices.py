"""What began and ended while alerting was away is told once, as one notice to each target."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from devices import connectivity
from devices.alerts import mutes, rules
from devices.alerts.rounds import run_round
from devices.alerts.rule_values import Step, usual
from devices.models import AlertMessage, AlertRule, AlertTarget, Condition, Incident, Severity, Told
from fleets.models import Fleet, Role
from tests.devices.alerts.sending import make_target
from tests.devices.alerts.test_rounds import keep_polling, make_devices, poll
from tests.factories import T0, make_fleet, make_member, seconds

pytestmark = pytest.mark.django_db
BACK = T0 + seconds(1000)


@pytest.fixture
def fleet() -> Fleet:
    return make_fleet(vpn_enabled=False, poll_interval=60)


def make_rule(fleet: Fleet, name: str, *steps: tuple[int, AlertTarget]) -> AlertRule:
    wanted = usual(
        name,
        Condition.STATUS,
        Severity.WARNING,
        delay=timedelta(seconds=10),
        steps=[Step(timedelta(seconds=after), [target]) for after, target in steps],
    )
    return rules.create(organization=fleet.organization, wanted=wanted, actor=None, at=T0)


def be_away(fleet: Fleet, *, until: datetime = BACK) -> None:
    """Three devices, each at a place of its own, are Offline for a while; no round runs meanwhile."""
    devices = make_devices(fleet, 3)
    others = make_devices(fleet, 20)  # so that three are no cause
    for number, device in enumerate(devices):
        poll([device], 5 * number)
    keep_polling(others, 0, 1000)
    run_round(T0 + seconds(12))
    connectivity.settle(T0 + seconds(300))
    keep_polling(devices, 400, 1000)
    run_round(until)


def notices(target: AlertTarget) -> list[dict[str, object]]:
    return list(AlertMessage.objects.filter(target=target, kind="notice").values_list("snapshot", flat=True))


def test_each_target_is_told_once_of_what_it_missed(fleet: Fleet) -> None:
    ops, others = make_target(organization=fleet.organization), make_target(organization=fleet.organization)
    make_rule(fleet, "Offline", (0, ops))
    be_away(fleet)
    assert Incident.objects.filter(missed=True).count() == Incident.objects.count() == 3
    (notice,) = notices(ops)
    assert notice == {
        "reason": "missed",
        "incidents": 3,
        "began": "2026-03-02T12:00:12+00:00",
        "ended": "2026-03-02T12:16:40+00:00",
        "as_of": "2026-03-02T12:16:40+00:00",
        "url": "/incidents/?state=over",
    }
    assert not notices(others)
    assert AlertMessage.objects.count() == 1
    assert not Told.objects.exists()
    run_round(BACK + seconds(1))
    run_round(BACK + seconds(100), whole=True)
    assert AlertMessage.objects.count() == 1


def test_whoever_a_step_would_have_told_later_is_told_of_what_lasted_until_then(fleet: Fleet) -> None:
    soon, late = make_target(organization=fleet.organization), make_target(organization=fleet.organization)
    make_rule(fleet, "Offline", (0, soon), (281, late))  # they last 285, 280 and 275 s
    be_away(fleet)
    assert [notice["incidents"] for notice in notices(soon)] == [3]
    assert [notice["incidents"] for notice in notices(late)] == [1]


def test_what_is_muted_is_not_told(fleet: Fleet) -> None:
    ops = make_target(organization=fleet.organization)
    rule = make_rule(fleet, "Offline", (0, ops))
    person = make_member(fleet.organization, Role.OPERATOR)
    until = BACK + seconds(60)
    mutes.mute(
        what=rule,
        organization=fleet.organization,
        until=until,
        actor=person,
        for_all=True,
        note="moving",
        at=T0,
    )
    be_away(fleet)
    assert Incident.objects.filter(missed=True).count() == 3
    assert not AlertMessage.objects.exists()


def test_what_still_fires_has_a_message_of_its_own(fleet: Fleet) -> None:
    ops = make_target(organization=fleet.organization)
    make_rule(fleet, "Offline", (0, ops))
    be_away(fleet, until=T0 + seconds(399))
    assert not Incident.objects.filter(missed=True).exists()
    assert set(AlertMessage.objects.values_list("kind", flat=True)) == {"first"}


def test_a_round_that_is_a_minute_late_was_not_away(fleet: Fleet) -> None:
    """Offline from 105 s on, due at 115 s, over at 130 s."""
    ops = make_target(organization=fleet.organization)
    make_rule(fleet, "Offline", (0, ops))
    (device,) = make_devices(fleet, 1)
    poll([device], 0)
    run_round(T0 + seconds(106))
    poll([device], 130)
    run_round(T0 + seconds(160))
    assert not AlertMessage.objects.exists()
