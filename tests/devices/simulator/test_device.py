"""What virtual devices say, read from the calls that reach a recording site."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, pairwise, repeat
from random import Random

import pytest

from devices.simulator.client import Site
from devices.simulator.device import GONE, Device, Surroundings
from devices.simulator.keyfile import FleetKeys, Identity
from devices.simulator.scenarios import HEALTHY, SCENARIOS, Role, Step, life
from devices.simulator.vpn import VpnServer
from tests.devices.simulator.recorder import Recorder, recording_site

FLEET = FleetKeys(
    slug="kiosks", provisioning_key="pk", device_type="raspberrypi4-64", releases=("2.0", "2.1")
)
KEPT = Identity("0" * 32, "stored-key", 0.1)


@dataclass
class Lived:
    """A device after some time, and what reached the site."""

    device: Device
    site: Recorder
    kept: list[Identity]
    doing: dict[str, int]


def lead(
    steps: Iterator[Step],
    *,
    site: Recorder | None = None,
    until: Callable[[Lived], bool] = lambda lived: False,
    seconds: float = 6.0,
    speed: float = 1.0,
    identity: Identity | None = None,
    registers: bool = True,
    poll_interval: float | None = None,
) -> Lived:
    """Let one device live until the condition holds; fail after so many seconds without."""

    async def lived() -> Lived:
        async with (
            recording_site(site or Recorder(poll_interval=0.1)) as record,
            Site(record.url) as client,
        ):
            around = Surroundings(client, speed=speed, poll_interval=poll_interval)
            server = VpnServer("vpn-1", client, "svc", Random(1), flush=0.01)
            kept: list[Identity] = []
            device = Device(
                around,
                fleet=FLEET,
                name="kiosk-1",
                life=steps,
                random=Random(1),
                server=server,
                identity=identity,
                keep=kept.append if registers else None,
            )
            result = Lived(device, record, kept, around.doing)
            tasks = [asyncio.create_task(each) for each in (device.run(), server.run(iter(())))]
            try:
                async with asyncio.timeout(seconds):
                    while not until(result):
                        await asyncio.sleep(0.01)
                        for task in tasks:
                            if task.done():
                                task.result()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            return result

    return asyncio.run(lived())


def quiet() -> Iterator[Step]:
    return repeat(Step(60))


def steps(*some: Step) -> Iterator[Step]:
    return chain(some, quiet())


def polls(at_least: int) -> Callable[[Lived], bool]:
    return lambda lived: len(lived.site.of("heartbeat")) >= at_least


def test_registers_with_its_name_and_keeps_its_key() -> None:
    lived = lead(quiet(), until=polls(1))
    (call,) = lived.site.of("register")
    assert call.key == "pk"
    assert call.body is not None
    device = call.body["uuid"]
    assert call.body == {"uuid": device, "name": "kiosk-1", "device_type": "raspberrypi4-64"}
    assert lived.kept == [Identity(device, f"key-of-{device}", 0.1)]
    assert {call.key for call in lived.site.of("heartbeat")} == {f"key-of-{device}"}


def test_first_poll_tells_everything_and_later_ones_nothing() -> None:
    lived = lead(quiet(), until=polls(3))
    first, *later = (call.body for call in lived.site.of("heartbeat"))
    assert first is not None
    assert first.keys() == {
        "os_version", "supervisor_version", "release", "ip_addresses", "mac_addresses",
        "provisioning_state", "provisioning_progress", "update_progress", "metrics",
    }  # fmt: skip
    assert first["release"] == "2.0"
    assert later == [None] * len(later)


def test_polls_at_the_interval_the_site_answers_plus_jitter() -> None:
    lived = lead(quiet(), site=Recorder(poll_interval=0.2), until=polls(6))
    times = [call.at for call in lived.site.of("heartbeat")]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert all(gap > 0.19 for gap in gaps)
    assert sum(gaps) / len(gaps) < 0.35


def test_polls_at_its_own_interval_where_told_to() -> None:
    lived = lead(quiet(), site=Recorder(poll_interval=3600), poll_interval=0.05, until=polls(5))
    assert len(lived.site.of("heartbeat")) >= 5


def test_a_remembered_device_does_not_register() -> None:
    lived = lead(quiet(), identity=KEPT, until=polls(2))
    assert not lived.site.of("register")
    assert {call.key for call in lived.site.of("heartbeat")} == {"stored-key"}


def test_a_remembered_key_that_is_refused_is_given_up_for_a_new_device() -> None:
    site = Recorder(poll_interval=0.1, refuse_keys={"stored-key"})
    lived = lead(quiet(), site=site, identity=KEPT, until=polls(3))
    (new,) = lived.kept
    assert [call.key for call in lived.site.of("heartbeat")][:2] == ["stored-key", new.key]
    assert new.uuid != KEPT.uuid


def test_a_device_disowned_in_its_life_falls_silent() -> None:
    site = Recorder(poll_interval=0.1)

    def until(lived: Lived) -> bool:
        if polls(2)(lived):
            site.refuse_keys = {lived.device.identity.key}
        return lived.doing.get(GONE) == 1

    lived = lead(quiet(), site=site, until=until)
    assert len(lived.site.of("register")) == 1


def test_a_taken_uuid_is_changed() -> None:
    site = Recorder(poll_interval=0.1, fail={"register": 409})

    def until(lived: Lived) -> bool:
        if len(site.of("register")) >= 2:
            site.fail = {}
        return polls(1)(lived)

    lead(quiet(), site=site, poll_interval=0.1, until=until)
    uuids = [call.body["uuid"] for call in site.of("register") if call.body]
    assert len(set(uuids)) == len(uuids) >= 3


def test_an_answer_that_is_not_a_sites_is_an_error() -> None:
    site = Recorder(poll_interval=0.1, fail={"register": 200})

    def until(lived: Lived) -> bool:
        if len(site.of("register")) >= 2:
            site.fail = {}
        return polls(1)(lived)

    lived = lead(quiet(), site=site, poll_interval=0.1, until=until)
    assert len(lived.kept) == 1


def test_what_could_not_be_told_is_told_later() -> None:
    site = Recorder(poll_interval=0.1, fail={"heartbeat": 503, "report": 503})
    change = Step(0.2, report={"update_progress": 40})

    def until(lived: Lived) -> bool:
        if len(site.of("heartbeat")) >= 4:
            site.fail = {}
        accepted = [call for call in site.of("heartbeat")[4:] if call.body is None]
        return bool(accepted)

    lived = lead(steps(change), site=site, identity=KEPT, until=until)
    bodies = [call.body for call in lived.site.of("heartbeat") if call.body]
    assert all("os_version" in body for body in bodies)
    assert bodies[-1]["update_progress"] == 40


def test_a_frozen_devices_refused_report_is_given_up_and_it_polls_on() -> None:
    site = Recorder(poll_interval=0.1, frozen={"stored-key"})
    lived = lead(
        steps(Step(0.3, report={"update_progress": 5})),
        site=site,
        identity=KEPT,
        registers=False,
        until=polls(9),
    )
    assert [call.body for call in lived.site.of("report")] in ([], [{"update_progress": 5}])
    assert lived.doing[HEALTHY] == 1


def test_without_power_nothing_is_said_and_the_server_notices_later() -> None:
    def until(lived: Lived) -> bool:
        again = lived.site.of("connect")[1:]
        return bool(again) and lived.site.of("heartbeat")[-1].at > again[0].at

    off = Step(0.5, "off", power=False, notice=0.2)
    on = Step(1.0, HEALTHY, power=True)
    lived = lead(steps(off, on), identity=KEPT, until=until)
    up, again = (call.at for call in lived.site.of("connect"))
    (down,) = (call.at for call in lived.site.of("disconnect"))
    assert 0.65 < down - up < 1.0
    assert again - up > 1.4
    heard = [call.at - up for call in lived.site.of("heartbeat")]
    assert not [at for at in heard if 0.6 < at < 1.4]
    assert [at for at in heard if at > 1.4]


def test_without_the_api_the_tunnel_stays_up() -> None:
    lived = lead(
        steps(Step(0.3, "no API", api=False), Step(0.7, HEALTHY, api=True)),
        identity=KEPT,
        until=lambda lived: polls(3)(lived) and lived.doing.get(HEALTHY) == 1,
    )
    assert len(lived.site.of("connect")) == 1
    assert not lived.site.of("disconnect")


KINDS: dict[str, tuple[float, list[tuple[str, object]], bool]] = {
    # kind: (speed, what is told in this order, whether the tunnel breaks)
    HEALTHY: (200, [], False),
    "update": (100, [("update_progress", 0), ("update_progress", 90), ("release", "2.1")], False),
    "interrupted-update": (100, [("update_progress", 0), ("release", "2.1")], True),
    "stalled-update": (2000, [("target_release", "2.1"), ("update_progress", None)], False),
    "configure": (100, [("provisioning_progress", 0), ("provisioning_progress", None)], True),
    "reflash": (
        100,
        [
            ("provisioning_progress", 0),
            ("provisioning_state", "Post-Provisioning"),
            ("provisioning_state", ""),
        ],
        True,
    ),
    "power-loss": (100, [], True),
    "firewall": (100, [], True),
    "api-loss": (100, [], False),
    "flapping": (100, [], True),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_life_makes_its_calls(kind: str) -> None:
    speed, wanted, breaks = KINDS[kind]
    scenario = next(each for each in SCENARIOS if each.kind == kind)
    role = Role(replace(scenario, calm=(1e9, 1e9)), 0)
    done = {"episode": False}

    def watched() -> Iterator[Step]:
        for step in life(role, FLEET.releases, seed="1"):
            done["episode"] = step.after >= 1e9
            yield step

    def until(lived: Lived) -> bool:
        return done["episode"] and in_order(wanted, list(pairs(lived))) and settled(lived, breaks=breaks)

    lived = lead(watched(), site=Recorder(poll_interval=0.05), until=until, speed=speed, seconds=60)
    assert bool(lived.site.of("disconnect")) is breaks
    assert lived.doing[HEALTHY] == 1


def pairs(lived: Lived) -> Iterator[tuple[str, object]]:
    for call in lived.site.calls:
        if call.name in ("heartbeat", "report") and call.body:
            yield from call.body.items()


def in_order(wanted: list[tuple[str, object]], told: list[tuple[str, object]]) -> bool:
    rest = iter(told)
    return all(any(each == found for found in rest) for each in wanted)


def settled(lived: Lived, *, breaks: bool) -> bool:
    """Is the last tunnel up, after a break if there has to be one?"""
    events = [call.name for call in lived.site.calls if call.name in ("connect", "disconnect")]
    return bool(events) and events[-1] == "connect" and (not breaks or "disconnect" in events)


def test_kinds_are_all_there() -> None:
    assert KINDS.keys() == {scenario.kind for scenario in SCENARIOS}
