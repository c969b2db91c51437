"""What a rule would have told is what it told: of each condition of which history keeps enough."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import Any, Final

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from devices import connectivity
from devices.alerts import learning, past, past_shares
from devices.alerts.parameters import LongerThan, Share
from devices.alerts.rehearsal import impossible, rehearse
from devices.alerts.rounds import run_round
from devices.models import AlertRule, Condition, Device, Incident, Outage
from devices.rules.vocabulary import Status
from fleets.models import Fleet
from tests.devices.alerts.test_rounds import make_devices, make_rule, poll
from tests.factories import T0, make_device, make_fleet, seconds

pytestmark = pytest.mark.django_db
END: Final = 3000
STEP: Final = 30  # seconds between two rounds, each of which looks
BEGIN: Final = T0 + seconds(1 - STEP)
RULES: Final[dict[Condition, dict[str, Any]]] = {
    Condition.STATUS: {},
    Condition.TOGETHER: {},
    Condition.FLAPPING: {"hold": timedelta(minutes=5)},
    Condition.SILENT: {"parameters": LongerThan(600), "delay": timedelta(minutes=1)},
    Condition.SHARE: {"parameters": Share(30, 3, (Status.OFFLINE,)), "delay": timedelta(minutes=2)},
    Condition.NEVER_CAME: {"parameters": LongerThan(1200), "hold": timedelta(minutes=2)},
}
UNTIL: Final = T0 + seconds(END - STEP + 1)  # the last round
Told = tuple[object, ...]


@pytest.fixture
def fleet() -> Fleet:
    return make_fleet(vpn_enabled=False, poll_interval=60)


def told(incidents: list[Incident]) -> list[Told]:
    names = ("kind", "key", "what", "first", "last", "opened_at", "resolved_at", "at_most", "ever")
    return sorted((tuple(getattr(one, name) for name in names) for one in incidents), key=str)


def live(steps: Callable[[int], object]) -> None:
    """Hold a round each STEP seconds; `steps` does what happens at each such moment, right before it."""
    run_round(BEGIN)
    for at in range(0, END, STEP):
        steps(at)
        run_round(T0 + seconds(at + 1))


def assert_equal(rule: AlertRule) -> list[Incident]:
    """That a rehearsal over all of it finds the incidents that the rounds recorded; gives these."""
    found = rehearse(rule, BEGIN, UNTIL)
    assert found is not None
    recorded = list(Incident.objects.filter(merged_into=None, members__rule=rule).distinct())
    assert told(list(found.incidents)) == told(recorded)
    assert found.flapped == len([one for one in recorded if one.members.filter(rule=rule, flaps__gt=0)])
    rule.refresh_from_db()
    assert found.came_back == rule.came_back
    return recorded


class Life:
    """What befalls some devices, by chance: they poll or do not, in phases of some minutes, and connect."""

    def __init__(self, fleet: Fleet, chance: Random) -> None:
        self._chance = chance
        together = {"public_address": "203.0.113.7"}
        self.site = make_devices(fleet, 6, **together)
        self.others = [make_device(fleet, vpn_enabled=True) for _ in range(3)]
        self.expected = [
            make_device(fleet, is_active=False, provisioned_at=None, activated_at=None) for _ in range(3)
        ]
        self._until = dict.fromkeys((device.pk for device in self.devices), 0)
        self._polls = dict.fromkeys(self._until, True)

    @property
    def devices(self) -> list[Device]:
        return [*self.site, *self.others]

    def step(self, at: int) -> None:
        """Every device polls each minute while it does; phases end by chance, a site's mostly at once."""
        if at and self._chance.random() < 0.02:
            self._phase(self.site, at, polls=self._chance.random() < 0.4)
        for device in self.devices:
            if self._until[device.pk] <= at:
                self._phase([device], at, polls=self._chance.random() < 0.6)
        if at % 60 == 0:
            poll([device for device in self.devices if self._polls[device.pk]], at)
        for device in self.others:
            if self._chance.random() < 0.15:
                act = self._chance.choice((connectivity.vpn_connected, connectivity.vpn_disconnected))
                act("vpn-1", [device.uuid], T0 + seconds(at))
        for device in self.expected:
            if at > 600 and self._chance.random() < 0.01:
                poll([device], at)
        if at > END / 2 and self._chance.random() < 0.02:
            frozen = Device.objects.filter(pk=self._chance.choice([*self.devices, *self.expected]).pk)
            frozen.update(frozen_reason="unpaid", facts_at=T0 + seconds(at + 1))

    def _phase(self, devices: list[Device], at: int, *, polls: bool) -> None:
        lasting = self._chance.choice((120, 300, 1200, 2400))
        for device in devices:
            self._polls[device.pk] = polls
            self._until[device.pk] = at + lasting


@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(1, 9))
def test_rehearsal_equals_live(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each condition in an organization of its own. No signal is lost, so no round need find that out.

    The rehearsal reads a few changes at a time.
    """
    monkeypatch.setattr(learning, "TURNS", 10**9)
    monkeypatch.setattr(past, "AT_ONCE", 7)
    sites = []
    for number, (condition, values) in enumerate(RULES.items()):
        fleet = make_fleet(vpn_enabled=False, poll_interval=60)
        sites.append((make_rule(fleet, condition, **values), Life(fleet, Random(100 * seed + number))))

    def steps(at: int) -> None:
        for _, life in sites:
            life.step(at)

    live(steps)
    assert sum(bool(assert_equal(rule)) for rule, _ in sites) > len(RULES) / 2


@pytest.mark.thorough
def test_a_share_that_incidents_told_is_not_told_in_a_rehearsal(fleet: Fleet) -> None:
    devices = make_devices(fleet, 10)
    make_rule(fleet)
    share = make_rule(fleet, Condition.SHARE, parameters=Share(20, 3, (Status.OFFLINE,)))
    live(lambda at: poll(devices, at) if at % 60 == 0 and not 300 <= at < 2000 else None)
    assert Incident.objects.get().at_most == 10
    found = rehearse(share, BEGIN, UNTIL)
    assert found is not None
    assert found.words == "The rule would have told nothing."
    Incident.objects.all().delete()
    alone = rehearse(share, BEGIN, UNTIL)
    assert alone is not None
    assert [one.what for one in alone.incidents] == ["share"]


@pytest.mark.thorough
def test_a_share_counts_devices_that_were_deleted_since(fleet: Fleet) -> None:
    rule = make_rule(fleet, Condition.SHARE, parameters=Share(50, 3, (Status.OFFLINE,)))
    devices = make_devices(fleet, 6)
    live(lambda at: poll(devices, at) if at < 300 else poll(devices[3:], at))
    Device.objects.filter(pk__in=[device.pk for device in devices[:3]]).delete()
    assert len(assert_equal(rule)) == 1


@pytest.mark.thorough
def test_a_share_that_was_reached_before_counts_once_it_was_over(fleet: Fleet) -> None:
    rule = make_rule(fleet, Condition.SHARE, parameters=Share(50, 3, (Status.OFFLINE,)))
    devices = make_devices(fleet, 6)
    live(lambda at: poll(devices if at < 300 or 1500 <= at < 2000 else devices[3:], at))
    assert Incident.objects.count() == 2
    found = rehearse(rule, T0 + seconds(901), UNTIL)
    assert found is not None
    assert [one.opened_at for one in found.incidents] == [Incident.objects.latest("opened_at").opened_at]


@pytest.mark.thorough
def test_silence_in_an_outage_of_ours_does_not_count(fleet: Fleet) -> None:
    rule = make_rule(fleet, Condition.SILENT, parameters=LongerThan(600))
    devices = make_devices(fleet, 1)
    Outage.objects.create(began_at=T0 + seconds(300), ended_at=T0 + seconds(600))
    live(lambda at: poll(devices, at) if at in {0, 60, 2010} else None)
    incidents = assert_equal(rule)
    assert len(incidents) == 2
    assert min(incident.opened_at for incident in incidents) == T0 + seconds(60 + 600 + 300)


def test_a_rule_that_is_not_saved_may_be_rehearsed(fleet: Fleet) -> None:
    poll(make_devices(fleet, 1), 0)
    rule = AlertRule(organization=fleet.organization, condition=Condition.STATUS, delay=0, hold=0)
    connectivity.settle(T0 + seconds(500))
    found = rehearse(rule, T0 - seconds(1), T0 + seconds(500))
    assert found is not None
    assert [one.opened_at for one in found.incidents] == [T0 + seconds(105)]
    assert not rule.pk


@pytest.mark.parametrize(
    ("condition", "parameters", "why"),
    [
        (Condition.STALLED, {}, "history does not keep when an update or a configuration made progress"),
        (Condition.VITALS, {}, "history does not keep what devices reported of memory"),
        (Condition.SILENT, {"seconds": 89}, "history does not keep each poll"),
        (Condition.SILENT, {"seconds": 90}, ""),
    ],
)
def test_why_a_rule_cannot_be_rehearsed(
    fleet: Fleet, condition: Condition, parameters: dict[str, int], why: str
) -> None:
    """A heartbeat of a device that polls each minute is late after 90 s."""
    poll(make_devices(fleet, 1), 0)
    rule = AlertRule(organization=fleet.organization, condition=condition, parameters=parameters)
    assert why in impossible(rule)
    assert bool(impossible(rule)) == bool(why)
    if why:
        assert rehearse(rule, BEGIN, UNTIL) is None


@pytest.mark.parametrize("condition", [Condition.STATUS, Condition.SILENT, Condition.SHARE])
def test_it_begins_later_where_there_were_very_many_changes(
    fleet: Fleet, condition: Condition, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest four are of the two devices that polled last; silences are half as many."""
    rule = make_rule(fleet, condition, **RULES[condition])
    devices = make_devices(fleet, 4)
    poll(devices[:2], 0)
    connectivity.settle(T0 + seconds(1000))
    poll(devices[2:], 1000)
    connectivity.settle(T0 + seconds(2000))
    monkeypatch.setattr(past, "MOST", 4)
    monkeypatch.setattr(past_shares, "MOST", 4)
    found = rehearse(rule, BEGIN, UNTIL)
    assert found is not None
    assert found.cut
    assert found.since >= T0 + seconds(900)
    assert "since there were very many changes." in found.words


@pytest.mark.parametrize("condition", RULES)
def test_queries(fleet: Fleet, condition: Condition) -> None:
    """Of any number of devices and incidents the same."""
    rule = make_rule(fleet, condition, **RULES[condition])
    numbers = []
    for number in (1, 30):
        poll(make_devices(fleet, number), 0)
        make_device(fleet, is_active=False, provisioned_at=None, activated_at=None)
        connectivity.settle(T0 + seconds(1500))
        with CaptureQueriesContext(connection) as queries:
            assert rehearse(rule, BEGIN, T0 + seconds(1500))
        numbers.append(len(queries))
    assert numbers[0] == numbers[1]
