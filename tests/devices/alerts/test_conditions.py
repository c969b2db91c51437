"""Each condition of a rule: when a device satisfies it, since when, and when no longer."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from devices import connectivity
from devices.alerts import rule_values, rules
from devices.alerts.parameters import LongerThan, OfStatus, Share, Vitals
from devices.alerts.rounds import run_round
from devices.clock import Moment
from devices.models import Condition, Device, Incident, IncidentMember, Outage, Severity, Signal
from devices.rules.vocabulary import Status
from fleets.models import Fleet
from tests.devices.alerts.test_rounds import keep_polling, make_devices, make_rule, poll
from tests.factories import T0, make_device, make_fleet, seconds

pytestmark = pytest.mark.django_db
DAY = 86400


@pytest.fixture
def fleet() -> Fleet:
    return make_fleet(vpn_enabled=False, poll_interval=60)


def states() -> list[tuple[int, str, datetime, str]]:
    rows = IncidentMember.objects.order_by("pk")
    return [(row.device_id, row.state, row.since, row.reason) for row in rows]


def rounds(*at: float) -> None:
    for each in at:
        run_round(T0 + seconds(each))


def test_silent(fleet: Fleet) -> None:
    make_rule(fleet, Condition.SILENT, parameters=LongerThan(3600))
    (device,) = make_devices(fleet, 1)
    poll([device], 0)
    rounds(1, 3599)
    assert states() == []
    rounds(3700)
    assert states() == [(device.pk, "firing", T0 + seconds(3600), "")]
    poll([device], 4000)
    rounds(4040)
    assert states() == [(device.pk, "gone", T0 + seconds(3600), "recovered")]
    assert IncidentMember.objects.get().gone_at == T0 + seconds(4000)


def test_silent_counts_observed_time(fleet: Fleet) -> None:
    make_rule(fleet, Condition.SILENT, parameters=LongerThan(3600))
    (device,) = make_devices(fleet, 1)
    poll([device], 0)
    Outage.objects.create(began_at=T0 + seconds(100), ended_at=T0 + seconds(700))
    rounds(3700, 4230)
    assert states() == [(device.pk, "firing", T0 + seconds(4200), "")]


def test_a_device_that_is_frozen_while_it_recovers_is_gone_at_once(fleet: Fleet) -> None:
    make_rule(fleet, Condition.SILENT, parameters=LongerThan(3600), hold=timedelta(hours=1))
    (device,) = make_devices(fleet, 1)
    poll([device], 0)
    rounds(1, 3700)
    poll([device], 4000)
    rounds(4040)
    Device.objects.filter(pk=device.pk).update(frozen_reason="unpaid", facts_at=T0 + seconds(4050))
    rounds(4080)
    assert states() == [(device.pk, "gone", T0 + seconds(3600), "frozen")]


def test_never_came(fleet: Fleet) -> None:
    make_rule(fleet, Condition.NEVER_CAME, parameters=LongerThan(DAY))
    expected = make_device(fleet, is_active=False, provisioned_at=None, activated_at=None)
    make_device(fleet, is_active=False, deactivated_at=T0)
    rounds(1, DAY + 60)
    assert states() == [(expected.pk, "firing", T0 + seconds(DAY), "")]
    poll([expected], DAY + 100)
    rounds(DAY + 160)
    assert states() == [(expected.pk, "gone", T0 + seconds(DAY), "recovered")]


def test_devices_of_any_status_are_grouped(fleet: Fleet) -> None:
    """Five of a fleet are one incident, and one of another fleet is alone, though none needs attention."""
    make_rule(fleet, Condition.NEVER_CAME, parameters=LongerThan(DAY))
    for one in [fleet] * 5 + [make_fleet(fleet.organization)]:
        make_device(one, is_active=False, provisioned_at=None, activated_at=None)
    rounds(1, DAY + 30, DAY + 100)
    assert sorted(incident.at_most for incident in Incident.objects.all()) == [1, 5]


def test_a_device_that_does_not_come_is_no_member_of_a_rule_that_waits_longer(fleet: Fleet) -> None:
    rule = make_rule(fleet, Condition.NEVER_CAME, parameters=LongerThan(DAY))
    make_device(fleet, is_active=False, provisioned_at=None, activated_at=None)
    rounds(1, DAY + 30)
    rule.parameters = {"seconds": 2 * DAY}
    rule.save()
    rounds(DAY + 60)
    assert [row[1:] for row in states()] == [("gone", T0 + seconds(DAY), "changed")]


def test_stalled(fleet: Fleet) -> None:
    make_rule(fleet, Condition.STALLED)
    (device,) = make_devices(fleet, 1, update_progress=10, progress_changed_at=T0)
    keep_polling([device], 0, 2000)
    rounds(1000, 1799)
    assert states() == []
    rounds(1840)
    assert states() == [(device.pk, "firing", T0 + seconds(1800), "")]
    Device.objects.filter(pk=device.pk).update(update_progress=11, progress_changed_at=T0 + seconds(1900))
    rounds(1960)
    assert states() == [(device.pk, "gone", T0 + seconds(1800), "recovered")]


@pytest.mark.parametrize(
    ("mark", "fine", "critical", "nearly"),
    [
        ("memory", {"memory_used": 89}, {"memory_used": 90}, {"memory_used": 85}),
        ("disk", {"storage_used": 89}, {"storage_used": 90}, {"storage_used": 85}),
        ("temperature", {"temperature": 79}, {"temperature": 80}, {"temperature": 75}),
        ("undervoltage", {"undervolted": False}, {"undervolted": True}, {"undervolted": True}),
    ],
)
def test_vitals(fleet: Fleet, mark: Any, fine: Any, critical: Any, nearly: Any) -> None:
    make_rule(fleet, Condition.VITALS, parameters=Vitals((mark,)))
    (device,) = make_devices(fleet, 1)
    keep_polling([device], 0, 1500)

    def report(metrics: Any, at: float) -> None:
        totals = {"memory_total": 100, "storage_total": 100}
        at_ = T0 + seconds(at)
        Device.objects.filter(pk=device.pk).update(metrics=totals | metrics, metrics_at=at_)

    report(fine, 10)
    rounds(40)
    assert states() == []
    report(critical, 50)
    rounds(80)
    assert states() == [(device.pk, "pending", T0 + seconds(50), "")]
    report(nearly, 100)
    rounds(130, 660)
    assert states() == [(device.pk, "firing", T0 + seconds(50), "")]
    report(fine if mark == "undervoltage" else {"temperature": 20}, 700)
    rounds(740)
    assert states() == [(device.pk, "recovering", T0 + seconds(50), "")]


def test_flapping_is_one_incident_until_it_is_calm(fleet: Fleet) -> None:
    make_rule(fleet, Condition.FLAPPING)
    device = make_device(fleet, vpn_enabled=True)
    for number in range(20):
        act = connectivity.vpn_connected if number % 2 == 0 else connectivity.vpn_disconnected
        act("vpn-1", [device.uuid], T0 + seconds(60 * number))
        rounds(60 * number + 1)
    began = T0 + seconds(360)  # the seventh change
    assert states() == [(device.pk, "firing", began, "")]
    calm = 60 * 17 + 3600
    rounds(calm - 1)
    assert states() == [(device.pk, "firing", began, "")]
    rounds(calm + 30)
    assert states() == [(device.pk, "gone", began, "recovered")]
    incident = Incident.objects.get()
    assert (incident.state, incident.resolved_at) == ("resolved", T0 + seconds(calm))


def test_a_share(fleet: Fleet) -> None:
    rule = make_rule(fleet, Condition.SHARE, parameters=Share(20, 3, (Status.OFFLINE,)))
    devices = make_devices(fleet, 10)
    poll(devices, 0)
    keep_polling(devices[2:], 50, 1000)
    rounds(200)
    assert states() == []  # 2 of 10
    keep_polling(devices[3:], 1000, 2000)
    rounds(1200, 1510)
    assert states() == [(0, "firing", T0 + seconds(1200), "")]
    keep_polling(devices, 2000, 3000)
    rounds(2050, 2360)
    assert states() == [(0, "gone", T0 + seconds(1200), "recovered")]
    assert rule.delay == 300


def test_a_share_that_an_incident_tells_is_not_told_again(fleet: Fleet) -> None:
    make_rule(fleet)
    make_rule(fleet, Condition.SHARE, parameters=Share(20, 3, (Status.OFFLINE,)))
    poll(make_devices(fleet, 10), 0)
    rounds(1, 110)
    assert (0, "pending") in [row[:2] for row in states()]
    rounds(230, 300, 500)
    assert [incident.at_most for incident in Incident.objects.all()] == [10]
    assert 0 not in [row[0] for row in states()]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"is_active": False, "deactivated_at": T0}, "deactivated"),
        ({"frozen_reason": "unpaid"}, "frozen"),
    ],
)
def test_what_is_locked_is_gone_and_has_not_recovered(fleet: Fleet, change: Any, reason: str) -> None:
    make_rule(fleet)
    (device,) = make_devices(fleet, 1)
    poll([device], 0)
    rounds(106, 300)
    Device.objects.filter(pk=device.pk).update(**change, facts_at=T0 + seconds(400))
    rounds(401)
    assert states() == [(device.pk, "gone", T0 + seconds(105), reason)]
    assert Incident.objects.get().resolved_at == T0 + seconds(400)


def test_a_device_that_is_deleted_is_gone(fleet: Fleet) -> None:
    make_rule(fleet)
    (device,) = make_devices(fleet, 1)
    poll([device], 0)
    rounds(106, 300)
    reason = {"slug": "deleted"}
    Device.objects.filter(pk=device.pk).update(facts_at=T0 + seconds(400), facts_reason=reason)
    Device.objects.filter(pk=device.pk).delete()
    rounds(401)
    assert [row[3] for row in states()] == ["deleted"]


def test_inactive_may_be_asked_for(fleet: Fleet) -> None:
    make_rule(fleet, parameters=OfStatus((Status.INACTIVE,)))
    (device,) = make_devices(fleet, 1)
    rounds(1)
    Device.objects.filter(pk=device.pk).update(is_active=False, facts_at=T0 + seconds(10))
    rounds(11)
    assert states() == [(device.pk, "pending", T0 + seconds(10), "")]


def test_lost_signals_are_found_by_comparing(fleet: Fleet) -> None:
    make_rule(fleet)
    devices = make_devices(fleet, 2)
    rounds(1)
    poll(devices, 0)
    connectivity.settle(T0 + seconds(150))
    Signal.objects.all().delete()
    run_round(T0 + seconds(200), whole=True)
    assert [row[1:3] for row in states()] == [("pending", T0 + seconds(105))] * 2
    keep_polling(devices[:1], 210, 400)
    Signal.objects.all().delete()
    run_round(T0 + seconds(400), whole=True)
    assert [row[:2] for row in states()] == [(devices[1].pk, "firing")]


def test_a_member_of_which_nothing_was_signalled_ends_alone(fleet: Fleet) -> None:
    """Of several members of a rule only the one that does not satisfy it."""
    make_rule(fleet)
    devices = make_devices(fleet, 3)
    poll(devices, 0)
    rounds(1, 226)
    poll(devices[:1], 300)
    Signal.objects.all().delete()
    run_round(T0 + seconds(301), whole=True)
    assert [row[1] for row in states()] == ["recovering", "firing", "firing"]


def test_a_change_after_the_newest_liveness_sign_is_not_compared_before_its_time(fleet: Fleet) -> None:
    make_rule(fleet)
    devices = make_devices(fleet, 1)
    poll(devices, 0)
    rounds(1, 226)
    poll(devices, 300)
    run_round(Moment(T0 + seconds(301), T0 + seconds(301), T0 + seconds(299)), whole=True)
    assert [row[1] for row in states()] == ["firing"]
    rounds(302)
    assert IncidentMember.objects.get().recovered_at == T0 + seconds(300)


def test_the_first_round_begins_with_how_devices_are(fleet: Fleet) -> None:
    devices = make_devices(fleet, 1)
    poll(devices, 0)
    connectivity.settle(T0 + seconds(1000))
    make_rule(fleet)
    rounds(1000)
    assert states() == [(devices[0].pk, "firing", T0 + seconds(105), "")]


@pytest.mark.parametrize("delete", [True, False])
def test_members_of_a_rule_that_is_off_are_gone(fleet: Fleet, delete: bool) -> None:  # noqa: FBT001
    rule = make_rule(fleet)
    devices = make_devices(fleet, 6)
    poll(devices, 0)
    rounds(106, 300)
    assert Incident.objects.get().now == 6
    if delete:
        rules.delete(rule=rule, actor=None, at=T0 + seconds(301))
    else:
        wanted = rule_values.usual("off", Condition.STATUS, Severity.INFO, enabled=False)
        seen = rules.version_of(rule)
        rules.change(rule=rule, wanted=wanted, seen=seen, actor=None, at=T0 + seconds(301))
    rounds(301)
    assert {row[1:] for row in states()} == {("gone", T0 + seconds(105), "changed")}
    assert Incident.objects.get().state == "resolved"
