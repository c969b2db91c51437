"""Running a simulated organization in one process: its devices and VPN servers, until stopped."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from random import Random

from . import progress
from .client import Site, Stats
from .device import Device, Surroundings
from .keyfile import FleetKeys, Identity, KeyFile, Ledger, read_keys
from .scenarios import SCENARIOS, SERVERS, Role, Step, blackouts, deal, life, outages
from .vpn import VpnServer

Life = Coroutine[None, None, None]

SAVE_EVERY = 2.0  # seconds between two looks for new identities


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of a run."""

    url: str
    keys: Path
    state: Path
    devices: int = 60
    fleets: tuple[str, ...] = ()  # slugs; none: all fleets of the key file
    poll_interval: float | None = None  # seconds; None: what the site answers
    speed: float = 1.0
    seed: str = "1"
    duration: float | None = None  # seconds; None: until stopped
    proxy: str = ""  # an address of this machine; the site trusts what it says of public addresses
    brief: bool = False  # tell of the devices alone, not of the calls


def run(options: Options, show: progress.Show) -> Stats:
    """Simulate until the duration is over or SIGINT or SIGTERM comes.

    Raises FileNotFoundError, msgspec.DecodeError for the key or state file, and ValueError for an
    unknown fleet.
    """
    with asyncio.Runner(loop_factory=_fast_loop()) as runner:
        stop = asyncio.Event()
        loop = runner.get_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(NotImplementedError):  # Windows: KeyboardInterrupt it is
                loop.add_signal_handler(number, stop.set)
        return runner.run(simulate(options, show, stop))


async def simulate(options: Options, show: progress.Show, stop: asyncio.Event) -> Stats:
    """Let the organization live until `stop` is set or the duration is over.

    It ends without a disconnect or a last report, so the site sees all devices go by the clock.
    """
    keys = read_keys(options.keys)
    fleets = choose(keys, options.fleets)
    ledger = Ledger(options.state)
    async with Site(options.url, proxy=options.proxy) as site:
        around = Surroundings(site, poll_interval=options.poll_interval, speed=options.speed)
        servers = [
            VpnServer(f"{server.name}.{keys.organization}", site, keys.service_key, Random(options.seed))
            for server in SERVERS
        ]
        troubles = [outages(server, seed=f"{options.seed}/{server.name}") for server in SERVERS]
        pairs = zip(servers, troubles, strict=True)
        lives = [
            *(device.run() for device in members(options, around, keys, fleets, servers, ledger)),
            *(device.run() for device in known(options, around, keys, fleets, servers)),
            *(server.run(trouble, speed=options.speed) for server, trouble in pairs),
            progress.follow(around, show, brief=options.brief),
            _keep_saving(ledger),
        ]
        try:
            await _together(lives, stop, options.duration)
        finally:
            ledger.save()
    return site.stats


async def _together(lives: list[Life], stop: asyncio.Event, duration: float | None) -> None:
    """Run all of them until `stop` or the duration; one that fails ends all and is raised.

    The garbage collector is kept from looking through tens of thousands of them again and again,
    most of all while they end: that alone would take a second.
    """
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(life) for life in lives]
            gc.freeze()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), duration)
            gc.disable()
            for task in tasks:
                task.cancel()
    finally:
        gc.enable()
        gc.unfreeze()


def choose(keys: KeyFile, slugs: tuple[str, ...]) -> list[FleetKeys]:
    """The fleets with these slugs, all if none is named; raises ValueError for an unknown one."""
    unknown = set(slugs) - {fleet.slug for fleet in keys.fleets}
    if unknown:
        raise ValueError(f"The key file has no fleet {', '.join(sorted(unknown))}.")
    return [fleet for fleet in keys.fleets if not slugs or fleet.slug in slugs]


def share_out(count: int, fleets: list[FleetKeys]) -> list[int]:
    """Divide the devices among the fleets by weight; the rest goes to the first ones."""
    total = sum(fleet.weight for fleet in fleets)
    if not total:
        return [0 for _ in fleets]
    shares = [count * fleet.weight // total for fleet in fleets]
    heavy = [index for index, fleet in enumerate(fleets) if fleet.weight]
    for turn in range(count - sum(shares)):
        shares[heavy[turn % len(heavy)]] += 1
    return shares


def members(
    options: Options,
    around: Surroundings,
    keys: KeyFile,
    fleets: list[FleetKeys],
    servers: list[VpnServer],
    ledger: Ledger,
) -> Iterator[Device]:
    """The devices that register themselves, each with its number in its fleet and its life."""
    counts = share_out(options.devices, fleets)
    lives = _lives(options.seed, keys.dark, fleets, counts)
    for count, fleet in zip(counts, fleets, strict=True):
        for number in range(count):
            random = Random(f"{options.seed}/{fleet.slug}/{number}")
            yield Device(
                replace(around, address=fleet.address_of(number)),
                fleet=fleet,
                name=fleet.name_of(number),
                life=next(lives),
                random=random,
                server=_server(servers, random) if fleet.vpn else None,
                identity=ledger.get(fleet, number),
                keep=partial(ledger.put, fleet, number),
            )


def _lives(seed: str, dark: str, fleets: list[FleetKeys], counts: list[int]) -> Iterator[Iterator[Step]]:
    """The lives of all devices, in order: those at the address `dark` share blackouts, others get roles."""
    crowd = [(fleet, number) for count, fleet in zip(counts, fleets, strict=True) for number in range(count)]
    lit = Counter(fleet.vpn for fleet, number in crowd if not _is_dark(dark, fleet, number))
    hands = {vpn: deal(lit[vpn], seed=seed, vpn=vpn) for vpn in (True, False)}
    for fleet, number in crowd:
        own = f"{seed}/{fleet.slug}/{number}"
        if _is_dark(dark, fleet, number):
            yield blackouts(seed=seed, own=own)
        else:
            yield life(hands[fleet.vpn].pop(), fleet.releases, seed=own)


def _is_dark(dark: str, fleet: FleetKeys, number: int) -> bool:
    return bool(dark) and fleet.address_of(number) == dark


def known(
    options: Options,
    around: Surroundings,
    keys: KeyFile,
    fleets: list[FleetKeys],
    servers: list[VpnServer],
) -> Iterator[Device]:
    """The devices of the key file that the site already knows; nothing happens to them."""
    by_slug = {fleet.slug: fleet for fleet in fleets}
    quiet = Role(SCENARIOS[0], 0)
    for device in keys.devices:
        fleet = by_slug.get(device.fleet)
        if fleet is None:
            continue
        random = Random(f"{options.seed}/{device.uuid}")
        yield Device(
            replace(around, address=device.address),
            fleet=fleet,
            name=device.name,
            life=life(quiet, fleet.releases, seed=device.uuid),
            random=random,
            server=_server(servers, random) if fleet.vpn else None,
            identity=Identity(device.uuid, device.key),
        )


def _server(servers: list[VpnServer], random: Random) -> VpnServer:
    return random.choices(servers, [server.share for server in SERVERS])[0]


def _fast_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The event loop of uvloop, where it is installed: it runs half as many devices again; else None."""
    try:
        import uvloop  # noqa: PLC0415  not made for every platform
    except ImportError:  # Windows
        return None
    return uvloop.new_event_loop


async def _keep_saving(ledger: Ledger) -> None:
    while True:
        await asyncio.sleep(SAVE_EVERY)
        ledger.save()
