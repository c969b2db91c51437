"""The demo's history: what its virtual devices reported in the days before, written by the real services.

The simulator finds the devices in its ledger and continues them, so that a device has a history of days from
the start. If any of the devices exists already, nothing is created.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Final

from django.db import transaction

from dashboard.demo.site import HARBOUR, SITES
from devices import clock, connectivity, keys
from devices.models import Device
from devices.operations import lifecycle, reports
from devices.simulator import hardware
from devices.simulator.keyfile import FleetKeys, Identity, KeyFile, Ledger
from devices.simulator.run import share_out
from fleets.models import Fleet, Organization

DEVICES: Final = 60  # devices that the simulator has by default
DAYS: Final = 8
HOUR: Final = timedelta(hours=1)
POLLS: Final = timedelta(hours=12)  # between two recorded polls of a quiet time, in place of thousands
QUIET: Final = 24 * 3600  # poll interval in seconds of quiet times, long enough to reach the next such poll
SOON: Final = 10  # the demo's real poll interval in seconds: without a poll the heartbeat is lost after 30 s

Act = Callable[[datetime], object]
Event = tuple[datetime, Act]


def make(account: KeyFile, state: Path, at: datetime | None = None) -> int:
    """Register the simulator's devices DAYS before `at`, and record their history up to `at`.

    `state` is the simulator's file of the devices that it knows. Returns the number of devices created.
    """
    at, ledger = at or clock.now(), Ledger(state)
    organization = Organization.objects.get(slug=account.organization)
    with transaction.atomic():
        demo_history = DemoHistory(organization, at - timedelta(days=DAYS))
        for plan, count in zip(account.fleets, share_out(DEVICES, list(account.fleets)), strict=True):
            fleet = Fleet.objects.get(organization=organization, slug=plan.slug)
            for number in range(count):
                name = plan.name_of(number)
                if ledger.get(plan, number) or Device.objects.filter(fleet=fleet, name=name).exists():
                    return 0
                ledger.put(plan, number, demo_history.register(fleet, plan, name, number))
        demo_history.live(at)
    ledger.save()
    return len(demo_history.members)


@dataclass(frozen=True)
class Member:
    """A device of the demo, with the plan of its fleet and its own random numbers."""

    device: Device
    plan: FleetKeys
    number: int  # in its fleet
    random: Random

    @property
    def vpn(self) -> bool:
        return self.plan.vpn


@dataclass
class DemoHistory:
    """The devices of the demo, and those (`silent`, primary keys) that do not poll at the replayed moment."""

    organization: Organization
    begun: datetime
    members: list[Member] = field(default_factory=list)
    silent: set[int] = field(default_factory=set)

    def register(self, fleet: Fleet, plan: FleetKeys, name: str, number: int) -> Identity:
        """Register one more device, three minutes after the one before."""
        at = self.begun + timedelta(minutes=3 * len(self.members))
        device = lifecycle.register(fleet=fleet, name=name, device_type=plan.device_type, at=at)
        tags, notes = tags_and_notes(plan, name, number)
        Device.objects.filter(pk=device.pk).update(tags=tags, notes=notes, poll_interval=QUIET)
        self.members.append(Member(device, plan, number, Random(f"past/{name}")))
        return Identity(device.uuid, keys.new_device_key(device, at=at), SOON)

    def live(self, until: datetime) -> None:
        """Record all events until this moment, in order of time."""
        events = [*self._quiet(until), *self._rollout(until), *self._together(until)]
        for member in self.members:
            events += self._alone(member, until - HOUR)
        for moment, act in sorted(events, key=lambda event: event[0]):
            act(moment)
        Device.objects.filter(pk__in=[member.device.pk for member in self.members]).update(poll_interval=None)

    def _fleets(self) -> list[list[Member]]:
        slugs = dict.fromkeys(member.plan.slug for member in self.members)
        return [[member for member in self.members if member.plan.slug == slug] for slug in slugs]

    # Events of many devices

    def _quiet(self, until: datetime) -> Iterator[Event]:
        """The first start of each fleet, and then polls of all devices that are not silent."""
        for number, members in enumerate(self._fleets()):
            yield self.begun + timedelta(hours=3, minutes=7 * number), self._first_start(members)
        moment = self.begun + 5 * HOUR
        while moment < until - timedelta(seconds=5):
            yield moment, self._poll
            moment += POLLS
        yield until - timedelta(seconds=5), self._poll

    def _rollout(self, until: datetime) -> Iterator[Event]:
        """The update of each fleet to the release that it runs, five days before, an hour apart."""
        for number, chosen in enumerate(self._fleets()):
            start = until - timedelta(days=5) + number * HOUR
            target = chosen[0].plan.releases[0]
            for minutes, report in steps(target):
                yield start + timedelta(minutes=minutes), self._report(chosen, report)

    def _together(self, until: datetime) -> Iterator[Event]:
        """A power cut at the harbour, and a restart of a VPN server."""
        harbour = [member for member in self.members if member.plan.address_of(member.number) == HARBOUR]
        yield from self._off(harbour, until - timedelta(days=2, hours=3), timedelta(minutes=52))
        tunnelled = [member for member in self.members if member.vpn]
        yield from self._no_vpn(tunnelled[::3], until - timedelta(days=3, hours=9), timedelta(minutes=4))

    # Events of single devices

    def _alone(self, member: Member, until: datetime) -> Iterator[Event]:
        """Random losses of power, VPN or API of one device, none of them during events of many devices."""
        random, moment = member.random, self.begun + timedelta(hours=8)
        often = 30 if random.random() < 0.1 else 240  # hours
        while (moment := moment + timedelta(hours=random.uniform(0.3, 1.7) * often)) < until:
            length = timedelta(minutes=random.choice((3, 6, 11, 24, 70, 190)) * random.uniform(0.7, 1.3))
            if moment + length > until or self._busy(moment, length, until):
                continue
            kinds = (self._off, self._no_vpn, self._no_api) if member.vpn else (self._off,)
            yield from random.choice(kinds)([member], moment, length)
            moment += length

    @staticmethod
    def _busy(moment: datetime, length: timedelta, until: datetime) -> bool:
        """Whether this time overlaps events of many devices."""
        spans = ((5.1, 4.6), (3.5, 3.3), (2.3, 2.0))  # days before
        return any(
            moment < until - timedelta(days=last) and moment + length > until - timedelta(days=first)
            for first, last in spans
        )

    def _off(self, members: list[Member], at: datetime, length: timedelta) -> Iterator[Event]:
        """Loss of power: polls end, and the VPN server reports the disconnect a minute later."""
        yield at - timedelta(seconds=20), self._last_poll(members)
        if any(member.vpn for member in members):
            yield at + timedelta(seconds=65), self._vpn(connectivity.vpn_disconnected, members)
        yield at + length, self._start(members)

    def _no_vpn(self, members: list[Member], at: datetime, length: timedelta) -> Iterator[Event]:
        yield at, self._vpn(connectivity.vpn_disconnected, members)
        yield at + length, self._vpn(connectivity.vpn_connected, members)

    def _no_api(self, members: list[Member], at: datetime, length: timedelta) -> Iterator[Event]:
        yield at - timedelta(seconds=20), self._last_poll(members)
        yield at + length, self._start(members)

    # Calls of devices and of the VPN server

    def _first_start(self, members: list[Member]) -> Act:
        def report(member: Member) -> dict[str, object]:
            facts = hardware.facts(member.plan, member.random)
            facts |= {"release": f"{member.plan.releases[0]}-rc1", "metrics": hardware.metrics(member.random)}
            return facts

        def act(at: datetime) -> None:
            self._start(members)(at)
            reports.apply_reports([(member.device.pk, report(member)) for member in members], at)

        return act

    def _start(self, members: list[Member]) -> Act:
        """The start of devices: the VPN connects, then the first poll, with the interval of quiet times."""

        def act(at: datetime) -> None:
            ids = [member.device.pk for member in members]
            self.silent.difference_update(ids)
            Device.objects.filter(pk__in=ids, poll_interval=SOON).update(poll_interval=QUIET)
            self._vpn(connectivity.vpn_connected, members)(at)
            connectivity.record_heartbeats(ids, at + timedelta(seconds=3))

        return act

    def _last_poll(self, members: list[Member]) -> Act:
        def act(at: datetime) -> None:
            ids = [member.device.pk for member in members]
            self.silent.update(ids)
            Device.objects.filter(pk__in=ids).update(poll_interval=SOON)
            connectivity.record_heartbeats(ids, at)

        return act

    def _poll(self, at: datetime) -> None:
        well = [member.device.pk for member in self.members if member.device.pk not in self.silent]
        connectivity.record_heartbeats(well, at)

    def _report(self, members: list[Member], report: dict[str, object]) -> Act:
        return lambda at: reports.apply_reports([(member.device.pk, report) for member in members], at)

    def _vpn(self, change: Callable[..., int], members: list[Member]) -> Act:
        uuids = [member.device.uuid for member in members if member.vpn]
        server = f"vpn-0.{self.organization.slug}"  # a server of the past, as in dashboard/demo/site.py
        return lambda at: change(server, uuids, at, organization=self.organization) if uuids else 0


def steps(target: str) -> tuple[tuple[int, dict[str, object]], ...]:
    """The reports of a device during an update, each with the minutes after its start."""
    return (
        (0, {"target_release": target, "update_status": "downloading", "update_progress": 0}),
        (2, {"update_progress": 45}),
        (5, {"update_progress": 90, "update_status": "installing"}),
        (7, {"release": target, "update_status": "done", "update_progress": None}),
    )


NOTES: Final = {
    "kiosk-central-02": "Left of the stairs to platform 2. The key for the cabinet is at the station office.",
    "kiosk-harbour-01": "Behind the ticket hall; the breaker for the quay also feeds it.",
    "tram-104": "SIM swapped in October, the old one had no data left.",
    "validator-03": "Reader replaced twice. If it fails again, check the ground wire.",
    "display-p2a": "Top of the mast: needs the lift, two people.",
}


def tags_and_notes(plan: FleetKeys, name: str, number: int) -> tuple[dict[str, str], str]:
    """The tags and notes of a device, as operators would write them."""
    site = SITES.get(plan.address_of(number))
    tags = {"site": site} if site else {}
    if plan.slug == "station-kiosks":
        tags |= {"screen": "32in" if number % 3 else "22in"}
    elif plan.slug == "tram-gateways":
        tags |= {"line": str(number % 3 + 1), "sim": "contract"}
    elif plan.slug == "ticket-validators":
        tags |= {"hall": "north" if number % 2 else "south"}
    elif plan.slug == "platform-displays":
        tags |= {"platform": name.removeprefix("display-p")[:-1]}
    return tags, NOTES.get(name, "")
