"""The scenarios of virtual devices and VPN servers, as data: what happens, how often, for how long.

A life is an endless sequence of steps that follows from the seed alone; it knows neither clock nor
network. Times are seconds and are laid out for devices that poll every 10 s: any of them can be
seen within a minute.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

HEALTHY = "healthy"
STALL = (1900.0, 2500.0)  # longer than the 30 min after which progress counts as stalled
FIRST = 12.0  # seconds from registering to the first trouble of each kind's first device
FIRST_BLACKOUT = (60.0, 90.0)  # seconds from the start; until it is seen another half a minute passes
BLACKOUT = (210.0, 270.0)  # an alert is told before it ends: lost for 2 min, gathered for 1 min
LIT = (900.0, 1500.0)
GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True, slots=True)
class Step:
    """What happens `after` seconds: power, API and VPN switched, facts to report. None: unchanged."""

    after: float
    doing: str = ""  # what the device is about from here on, for the progress line
    power: bool | None = None
    api: bool | None = None  # can it reach the site?
    vpn: bool | None = None  # can it reach its VPN server?
    notice: float = 0.0  # seconds until the VPN server misses a device that went without a word
    report: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scene:
    """The parameters of one episode of a scenario."""

    random: Random
    length: float  # seconds, about
    release: str  # running
    target: str  # to be installed


Episode = Callable[[Scene], Iterator[Step]]


def _progress(scene: Scene, name: str, numbers: Sequence[int], pause: float) -> Iterator[Step]:
    for number in numbers:
        yield Step(pause * scene.random.uniform(0.6, 1.4), report={name: number})


def _update(scene: Scene) -> Iterator[Step]:
    yield _start_update(scene)
    yield from _progress(scene, "update_progress", range(10, 100, 10), scene.length / 10)
    yield _end_update(scene)


def _stall(scene: Scene) -> Iterator[Step]:
    yield _start_update(scene)
    yield from _progress(scene, "update_progress", (18, 36, 54), 6)
    yield Step(scene.length, report={"update_progress": 72})
    yield _end_update(scene)


def _interrupted(scene: Scene) -> Iterator[Step]:
    """Power goes in the middle of an update: Offline, then Updating again by itself."""
    yield _start_update(scene)
    yield from _progress(scene, "update_progress", (15, 30, 45), 6)
    yield Step(5, "off", power=False, notice=scene.random.uniform(8, 20))
    yield Step(scene.length, "updating", power=True)
    yield from _progress(scene, "update_progress", (45, 65, 85), 6)
    yield _end_update(scene)


def _start_update(scene: Scene) -> Step:
    return Step(
        0,
        "updating",
        report={
            "target_release": scene.target,
            "update_status": "downloading",
            "update_progress": 0,
        },
    )


def _end_update(scene: Scene) -> Step:
    done = {"release": scene.target, "update_status": "done", "update_progress": None}
    return Step(4, HEALTHY, report=done)


def _configure(scene: Scene) -> Iterator[Step]:
    begun = {"provisioning_state": "Applying boot settings", "provisioning_progress": 0}
    yield Step(0, "configuring", report=begun)
    yield from _progress(scene, "provisioning_progress", (20, 40, 60), scene.length / 6)
    yield Step(4, power=False, notice=3)  # restarts once
    yield Step(6, power=True, report={"provisioning_progress": 80})
    yield from _progress(scene, "provisioning_progress", (90, 100), scene.length / 6)
    yield Step(4, HEALTHY, report={"provisioning_state": "", "provisioning_progress": None})


def _reflash(scene: Scene) -> Iterator[Step]:
    begun = {"provisioning_state": "Flashing internal storage", "provisioning_progress": 0}
    yield Step(0, "reflashing", report=begun)
    yield from _progress(scene, "provisioning_progress", (25, 50, 75, 100), 4)
    flashed = {"provisioning_state": "Post-Provisioning", "provisioning_progress": None}
    yield Step(3, report=flashed)
    yield Step(5, power=False, notice=5)  # shuts down and waits to be switched on again
    fresh = {"provisioning_state": "", "release": scene.release}
    yield Step(scene.length, HEALTHY, power=True, report=fresh)


def _power_loss(scene: Scene) -> Iterator[Step]:
    yield Step(0, "off", power=False, notice=scene.random.uniform(8, 20))
    yield Step(scene.length, HEALTHY, power=True)


def _firewall(scene: Scene) -> Iterator[Step]:
    yield Step(0, "no VPN", vpn=False, notice=scene.random.uniform(0, 5))
    yield Step(scene.length, HEALTHY, vpn=True)


def _api_loss(scene: Scene) -> Iterator[Step]:
    yield Step(0, "no API", api=False)
    yield Step(scene.length, HEALTHY, api=True)


def _flapping(scene: Scene) -> Iterator[Step]:
    yield Step(0, "flapping", vpn=False)
    for _ in range(max(1, round(scene.length / 8))):
        yield Step(scene.random.uniform(2, 6), vpn=True)
        yield Step(scene.random.uniform(1, 5), vpn=False)
    yield Step(3, HEALTHY, vpn=True)


def _nothing(scene: Scene) -> Iterator[Step]:
    yield Step(scene.length, HEALTHY)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario: its share of all devices, and how calm and episodes alternate in it."""

    kind: str
    share: int  # of 100 devices
    calm: tuple[float, float]  # seconds from one episode to the next
    length: tuple[float, float]  # seconds an episode lasts, about
    episode: Episode
    needs_vpn: bool = False


SCENARIOS = (
    Scenario(HEALTHY, 43, (600, 1200), (60, 60), _nothing),
    Scenario("update", 11, (60, 240), (40, 100), _update),
    Scenario("interrupted-update", 3, (120, 240), (45, 90), _interrupted),
    Scenario("stalled-update", 2, (240, 600), STALL, _stall),
    Scenario("configure", 7, (60, 200), (30, 70), _configure),
    Scenario("reflash", 5, (60, 150), (40, 90), _reflash),
    Scenario("power-loss", 11, (60, 240), (60, 180), _power_loss),
    Scenario("firewall", 8, (60, 200), (40, 120), _firewall, needs_vpn=True),
    Scenario("api-loss", 8, (60, 200), (45, 120), _api_loss, needs_vpn=True),
    Scenario("flapping", 2, (60, 240), (30, 90), _flapping, needs_vpn=True),
)


@dataclass(frozen=True, slots=True)
class Role:
    """The scenario of a device, and its rank among the devices with this scenario, from 0."""

    scenario: Scenario
    rank: int


def deal(count: int, *, seed: str, vpn: bool = True) -> list[Role]:
    """Give each of `count` devices a role, by the shares of the table, every kind if it can be.

    Devices without a VPN get no role that needs one.
    """
    table = [scenario for scenario in SCENARIOS if vpn or not scenario.needs_vpn]
    total = sum(scenario.share for scenario in table)
    hands = {scenario.kind: int(count * scenario.share / total) for scenario in table}
    if count >= len(table):
        hands = {kind: max(1, hand) for kind, hand in hands.items()}
    hands[HEALTHY] += count - sum(hands.values())
    roles = [Role(row, rank) for row in table for rank in range(hands[row.kind])]
    Random(seed).shuffle(roles)
    return roles


def life(role: Role, releases: tuple[str, str], *, seed: str) -> Iterator[Step]:
    """The endless steps of one device's life.

    The first device of a kind meets its first trouble soon; the others start spread over the
    whole cycle, so that some device of each kind is nearly always in trouble.
    """
    random = Random(seed)
    scenario = role.scenario
    cycle = scenario.calm[1] + scenario.length[1]
    yield Step(FIRST + min(cycle, 600) * (role.rank * GOLDEN % 1))
    release, target = releases
    while True:
        scene = Scene(random, random.uniform(*scenario.length), release, target)
        for step in scenario.episode(scene):
            if step.report.get("release") == target:
                release, target = target, release
            yield step
        yield Step(random.uniform(*scenario.calm))


def blackouts(*, seed: str, own: str) -> Iterator[Step]:
    """The endless steps of a device at a place that loses its power: at one moment for all with this seed.

    The first blackout begins a minute after the start and ends some minutes later, so that whoever starts a
    demo sees both. `own` is the seed of what differs between the devices.
    """
    random = Random(f"{seed}/blackouts")
    notices = Random(own)  # when a VPN server misses a device is no common fate
    after = random.uniform(*FIRST_BLACKOUT)
    while True:
        yield Step(after, "off", power=False, notice=notices.uniform(8, 20))
        yield Step(random.uniform(*BLACKOUT), HEALTHY, power=True)
        after = random.uniform(*LIT)


@dataclass(frozen=True, slots=True)
class Outage:
    """An outage of a VPN server, which dies or falls silent `after` seconds, for `length` seconds."""

    after: float
    length: float
    dies: bool  # True: a new process life follows; False: the process falls silent, and reports again


@dataclass(frozen=True, slots=True)
class ServerScenario:
    """A VPN server: its share of the devices, and its outages if it has any."""

    name: str
    share: int
    dies: bool | None = None  # None: never in trouble
    calm: tuple[float, float] = (240, 480)
    length: tuple[float, float] = (75, 120)  # longer than the 60 s for which a sign of life lasts


SERVERS = (
    ServerScenario("vpn-1", 45),
    ServerScenario("vpn-2", 35),
    ServerScenario("vpn-3", 12, dies=True),
    ServerScenario("vpn-4", 8, dies=False),
)


def outages(scenario: ServerScenario, *, seed: str) -> Iterator[Outage]:
    """The endless outages of one VPN server; none for one without outages."""
    random = Random(seed)
    while scenario.dies is not None:
        yield Outage(random.uniform(*scenario.calm), random.uniform(*scenario.length), scenario.dies)
