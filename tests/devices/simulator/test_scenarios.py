"""Lives follow from the seed alone, keep to the protocol, and leave the device well."""

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from random import Random

import pytest

from devices.simulator.scenarios import (
    FIRST,
    HEALTHY,
    SCENARIOS,
    SERVERS,
    STALL,
    Role,
    Scenario,
    Scene,
    Step,
    blackouts,
    deal,
    life,
    outages,
)

RELEASES = ("2.14.0", "2.14.1")
MINUTE = 60.0


def steps_until(steps: Iterator[Step], end: float) -> list[tuple[float, Step]]:
    """The steps before `end`, each with its time in seconds from the start."""
    found = []
    now = 0.0
    for step in steps:
        now += step.after
        if now >= end:
            break
        found.append((now, step))
    return found


def test_the_seed_decides_the_life() -> None:
    role = deal(60, seed="1")[3]
    first, again, other = (list(islice(life(role, RELEASES, seed=s), 200)) for s in "aab")
    assert first == again
    assert first != other
    assert deal(60, seed="1") == deal(60, seed="1") != deal(60, seed="2")


def test_the_shares_are_percentages() -> None:
    assert sum(scenario.share for scenario in SCENARIOS) == 100
    assert sum(server.share for server in SERVERS) == 100


def test_a_hundred_devices_are_dealt_by_the_shares() -> None:
    dealt = Counter(role.scenario.kind for role in deal(100, seed="1"))
    assert dealt == {scenario.kind: scenario.share for scenario in SCENARIOS}


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 12, 13, 57, 60, 1001])
@pytest.mark.parametrize("vpn", [True, False])
def test_everybody_gets_a_role(count: int, *, vpn: bool) -> None:
    roles = deal(count, seed="1", vpn=vpn)
    assert len(roles) == count
    fitting = {each.kind for each in SCENARIOS if vpn or not each.needs_vpn}
    kinds = {role.scenario.kind for role in roles}
    assert kinds <= fitting
    if count >= len(fitting):
        assert kinds == fitting


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.kind)
@pytest.mark.parametrize("seed", range(5))
def test_an_episode_leaves_the_device_well(scenario: Scenario, seed: int) -> None:
    state: dict[str, object] = {"power": True, "api": True, "vpn": True}
    facts: dict[str, object] = {}
    for step in scenario.episode(Scene(Random(seed), 60.0, *RELEASES)):
        switches = {"power": step.power, "api": step.api, "vpn": step.vpn}
        state |= {name: value for name, value in switches.items() if value is not None}
        state["doing"] = step.doing or state["doing"]
        facts |= step.report
    assert state == {"power": True, "api": True, "vpn": True, "doing": HEALTHY}
    assert facts.get("provisioning_state", "") == ""
    assert facts.get("provisioning_progress") is None
    assert facts.get("update_progress") is None


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.kind)
def test_what_is_reported_is_in_the_protocol(scenario: Scenario) -> None:
    statuses = {"rejected", "aborted", "downloading", "downloaded", "applying changes", "done"}
    for step in islice(life(Role(scenario, 0), RELEASES, seed="1"), 500):
        report = dict(step.report)
        for name in ("provisioning_progress", "update_progress"):
            progress = report.pop(name, None)
            assert progress is None or (isinstance(progress, int) and 0 <= progress <= 100)
        assert report.pop("update_status", "done") in statuses
        assert report.pop("release", RELEASES[0]) in RELEASES
        assert report.pop("target_release", RELEASES[0]) in RELEASES
        assert isinstance(report.pop("provisioning_state", ""), str)
        assert not report
        assert step.after >= 0
        assert step.notice >= 0


def test_updates_go_back_and_forth_between_the_releases() -> None:
    update = next(each for each in SCENARIOS if each.kind == "update")
    steps = islice(life(Role(update, 0), RELEASES, seed="1"), 200)
    installed = [step.report["release"] for step in steps if "release" in step.report]
    assert installed[:4] == ["2.14.1", "2.14.0", "2.14.1", "2.14.0"]


def test_a_stalled_update_rests_longer_than_half_an_hour() -> None:
    assert STALL[0] > 30 * MINUTE
    stalled = next(each for each in SCENARIOS if each.kind == "stalled-update")
    steps = list(islice(life(Role(stalled, 0), RELEASES, seed="1"), 6))
    assert max(step.after for step in steps) > 30 * MINUTE


def test_every_kind_of_trouble_is_met_in_the_first_minute_and_ever_again() -> None:
    """What the demo promises: with 60 devices nothing is missing for long."""
    begun: dict[str, list[float]] = {}
    for number, role in enumerate(deal(60, seed="1")):
        for at, step in steps_until(life(role, RELEASES, seed=f"1/{number}"), 120 * MINUTE):
            if step.doing not in ("", HEALTHY):
                begun.setdefault(step.doing, []).append(at)
    assert begun.keys() == {
        "updating",
        "off",
        "configuring",
        "reflashing",
        "no VPN",
        "no API",
        "flapping",
    }
    for times in begun.values():
        times.sort()
        assert times[0] <= FIRST
        gaps = [later - earlier for earlier, later in zip(times, [*times[1:], 120 * MINUTE], strict=True)]
        assert max(gaps) < 6 * MINUTE


def test_only_troubled_servers_fail_and_longer_than_a_lease() -> None:
    for server in SERVERS:
        troubles = list(islice(outages(server, seed="1"), 20))
        assert troubles == list(islice(outages(server, seed="1"), 20))
        assert all(each.length > 60 and each.dies is server.dies for each in troubles)
        assert bool(troubles) is (server.dies is not None)


def test_a_site_gets_dark_within_three_minutes_and_comes_back_all_at_once() -> None:
    lives = [steps_until(blackouts(seed="1", own=own), 60 * MINUTE) for own in "ab"]
    moments, others = ([(at, step.power) for at, step in life] for life in lives)
    assert moments == others
    assert [power for _, power in moments[:3]] == [False, True, False]
    (off, _), (on, _), (again, _) = moments[:3]
    assert off + 60 < 3 * MINUTE  # lost after 30 s without a poll, the VPN sooner
    assert on - off > 3 * MINUTE  # an alert gathers for a minute after two
    assert again - on > 10 * MINUTE
    notices = [[step.notice for _, step in life if step.power is False] for life in lives]
    assert notices[0] != notices[1]
