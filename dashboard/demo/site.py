"""The demo: an organization with fleets and keys, and devices in states that the simulator cannot reach.

It can be created repeatedly: what exists stays as it is, what is missing is created again.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
from django.db import transaction

from dashboard.account import people
from dashboard.models import User
from devices import clock, connectivity, keys
from devices.alerts import rules
from devices.models import ApiKey, Device, DeviceLink
from devices.operations import device_links, lifecycle, reports
from devices.operations.fleet_settings import change_fleet
from devices.simulator.keyfile import FleetKeys, KeyFile, KnownDevice, write_private
from fleets.models import Fleet, FleetType, Membership, Organization, Role

POLL_INTERVAL = 10  # seconds: a device that falls silent is late after 15 s and lost after 30 s
ALLOWANCE = 63  # places: nearly full with the 60 devices that the simulator registers
USER = "demo"
EMAIL = "demo@halden-transit.example"
KEYS = "demo"  # the name of the demo's keys in lists of keys


class Occupied(Exception):
    """The site has a user or fleet of its own with a name of the demo; the message tells which."""


class Account(KeyFile, frozen=True, kw_only=True):
    """The demo's key file: user name and password, and the keys for the simulator."""

    user: str
    password: str


# The public address of each place (from RFC 5737, addresses for documentation).
CENTRAL, HARBOUR, AIRPORT, EAST = "203.0.113.10", "203.0.113.20", "203.0.113.30", "203.0.113.40"
DEPOT, LAB = "203.0.113.50", "192.0.2.44"
SITES = {CENTRAL: "central", HARBOUR: "harbour", AIRPORT: "airport", EAST: "east", DEPOT: "depot", LAB: "lab"}

# The fleets of virtual devices; their provisioning keys are created with them.
FLEETS = (
    FleetKeys(
        slug="station-kiosks",
        provisioning_key="",
        device_type="Raspberry Pi 4 (64-bit)",
        releases=("2.14.0", "2.14.1"),
        weight=20,
        names=(
            "kiosk-central-{:02}",
            "kiosk-harbour-{:02}",
            "kiosk-airport-{:02}",
            "kiosk-east-{:02}",
        ),
        addresses=(CENTRAL, HARBOUR, AIRPORT, EAST),
    ),
    FleetKeys(
        slug="tram-gateways",
        provisioning_key="",
        device_type="Raspberry Pi CM4",
        releases=("5.2.8", "5.3.0"),
        weight=12,
        names=("tram-{}",),
        first=101,
        addresses=("198.51.100.{}",),  # each device has its own SIM
    ),
    FleetKeys(
        slug="ticket-validators",
        provisioning_key="",
        device_type="Raspberry Pi 3",
        os_version="Debian 11.11",
        releases=("1.9.3", "1.9.4"),
        weight=9,
        names=("validator-{:02}",),
        addresses=(CENTRAL, AIRPORT, CENTRAL, HARBOUR),
    ),
    FleetKeys(
        slug="platform-displays",
        provisioning_key="",
        device_type="Intel NUC",
        os_version="Ubuntu 24.04",
        releases=("3.0.1", "3.0.2"),
        weight=8,
        names=("display-p{}a", "display-p{}b"),
        addresses=(CENTRAL,),
    ),
    FleetKeys(
        slug="lab-bench",
        provisioning_key="",
        device_type="Raspberry Pi 5",
        releases=("main-1f2e3d4", "main-5a6b7c8"),
        vpn=False,
        weight=3,
        names=("bench-pi5-{}", "bench-nuc-{}", "bench-rock5-{}"),
        addresses=(LAB,),
    ),
    FleetKeys(
        slug="depot-vision",
        provisioning_key="",
        device_type="Jetson Orin Nano",
        os_version="Ubuntu 22.04",
        releases=("0.7.9", "0.8.0"),
        weight=0,  # a frozen fleet, which gets no further devices
    ),
)
FROZEN = ("vision-gate-north", "vision-gate-south", "vision-wash")
AWAITED = (
    ("station-kiosks", "kiosk-depot-01", "Spare for the central station, still in its box."),
    ("lab-bench", "bench-zero-1", "Image written, waiting for a power supply."),
)
DEVICE_LINKS = {"Terminal": "ssh root@{ip}", "Site plan": "https://wiki.example/sites/{tag:site}"}
RETIRED = "tram-097"
RETIRED_POLL_INTERVAL = timedelta(hours=6)


@transaction.atomic
def make(path: Path, at: datetime | None = None) -> Account:
    """Create what is missing of the demo, and write its key file to `path`.

    Keys and password in an existing file are kept if they are valid, else replaced. Raises
    msgspec.DecodeError if the file exists but is not the demo's, Occupied if a name is taken.
    """
    at = at or clock.now()
    old = msgspec.json.decode(path.read_bytes(), type=Account) if path.exists() else None
    organization, _ = Organization.objects.get_or_create(
        slug="halden-transit", defaults={"name": "Halden Transit", "allowance": ALLOWANCE, "shows_plan": True}
    )
    user, password = _user(organization, old)
    fleets = [_fleet(organization, plan) for plan in FLEETS]
    _device_links(organization)
    rules.ship(organization)
    _frozen_fleet(at)
    _awaited(user)
    _retired(user, at)
    account = Account(
        user=user.username,
        password=password,
        organization=organization.slug,
        service_key=_service_key(organization, old, at),
        fleets=tuple(
            msgspec.structs.replace(plan, provisioning_key=_provisioning_key(fleet, old, at))
            for plan, fleet in zip(FLEETS, fleets, strict=True)
        ),
        devices=tuple(_known(name, old, at) for name in FROZEN),
        dark=HARBOUR,
    )
    write_private(path, msgspec.json.format(msgspec.json.encode(account), indent=2))
    return account


def _user(organization: Organization, old: Account | None) -> tuple[User, str]:
    """The demo's user, an Owner of the organization, and their password, the one in the key file if any."""
    password = old.password if old else secrets.token_urlsafe(9)
    user = people.named(USER)
    if user is None:
        user = User.objects.create_user(USER, EMAIL)
        Membership.objects.create(organization=organization, user=user, role=Role.OWNER)
    elif not Membership.objects.filter(organization=organization, user=user).exists():
        raise Occupied(f"There is a user {USER} who is no member of {organization}.")
    if not user.check_password(password):
        user.set_password(password)
        user.save(update_fields=["password"])
    return user, password


def _fleet(organization: Organization, plan: FleetKeys) -> Fleet:
    fleet, _ = Fleet.objects.get_or_create(
        slug=plan.slug,
        defaults={
            "organization": organization,
            "name": plan.slug,
            "device_type": plan.device_type,
            "poll_interval": POLL_INTERVAL,
            "vpn_enabled": plan.vpn,
        },
    )
    if fleet.organization_id != organization.pk:
        raise Occupied(f"There is a fleet {fleet.slug} of {fleet.organization}.")
    return fleet


def _device_links(organization: Organization) -> None:
    kept = set(DeviceLink.objects.filter(organization=organization).values_list("name", flat=True))
    for name in DEVICE_LINKS.keys() - kept:
        device_links.add(organization=organization, name=name, template=DEVICE_LINKS[name], actor=None)


# Keys


def _service_key(organization: Organization, old: Account | None, at: datetime) -> str:
    found = keys.find(old.service_key, ApiKey.Kind.SERVICE, at) if old else None
    if old and found and found.organization_id == organization.pk:
        return old.service_key
    return keys.new_service_key(organization, KEYS)


def _provisioning_key(fleet: Fleet, old: Account | None, at: datetime) -> str:
    for plan in old.fleets if old else ():
        found = keys.find(plan.provisioning_key, ApiKey.Kind.PROVISIONING, at)
        if found and found.fleet_id == fleet.pk:
            return plan.provisioning_key
    return keys.new_provisioning_key(fleet, KEYS)


def _device_key(device: Device, old: Account | None, at: datetime) -> str:
    for known in old.devices if old else ():
        holder = keys.find_devices([known.key], at).get(known.key)
        if holder and holder.device_id == device.pk:
            return known.key
    return keys.replace_device_key(device, at)


# Devices


def _frozen_fleet(at: datetime) -> None:
    """Create frozen devices: their fleet became a paid one, which the plan does not include."""
    fleet, begun = Fleet.objects.get(slug="depot-vision"), at - timedelta(days=9)
    missing = [name for name in FROZEN if not Device.objects.filter(fleet=fleet, name=name).exists()]
    made = [_registered(fleet, name, begun) for name in missing]
    for device in made:
        _worked(device, begun, release="0.8.0", os_version="Ubuntu 22.04")
        Device.objects.filter(pk=device.pk).update(
            tags={"site": "depot", "camera": device.name.removeprefix("vision-")},
            notes="Vision needs the paid plan; see the request to purchasing.",
        )
    change_fleet(fleet=fleet, actor=None, at=begun + timedelta(seconds=15), type=FleetType.PAID)
    for device in made:
        _lost_its_vpn(device, begun + timedelta(minutes=2))


def _known(name: str, old: Account | None, at: datetime) -> KnownDevice:
    """A frozen device with its key for the simulator, which keeps polling."""
    device = Device.objects.select_related("fleet").get(fleet__slug="depot-vision", name=name)
    key = _device_key(device, old, at)
    return KnownDevice(uuid=device.uuid, key=key, fleet=device.fleet.slug, name=name, address=DEPOT)


def _awaited(user: User) -> None:
    """Create preregistered devices that were never switched on."""
    for slug, name, note in AWAITED:
        fleet = Fleet.objects.get(slug=slug)
        if Device.objects.filter(fleet=fleet, name=name).exists():
            continue
        device, _ = lifecycle.preregister(fleet=fleet, actor=user, name=name)
        Device.objects.filter(pk=device.pk).update(notes=note, tags={"state": "awaited"})


def _retired(user: User, at: datetime) -> None:
    """Create a device that worked for two days, was lost, and was deactivated."""
    fleet = Fleet.objects.get(slug="tram-gateways")
    if Device.objects.filter(fleet=fleet, name=RETIRED).exists():
        return
    begun = at - timedelta(days=6)
    device = _registered(fleet, RETIRED, begun)
    Device.objects.filter(pk=device.pk).update(
        poll_interval=RETIRED_POLL_INTERVAL.total_seconds(),
        notes="Tram 97 was scrapped; its gateway lies in the lab.",
        tags={"line": "2", "sim": "prepaid"},
    )
    _worked(device, begun, release="5.2.8", os_version="Debian 12.8")
    for polls in range(1, 9):
        connectivity.record_heartbeats([device.pk], begun + polls * RETIRED_POLL_INTERVAL)
    _lost_its_vpn(device, begun + timedelta(days=2, minutes=1))
    lifecycle.deactivate(device=device, actor=user, at=begun + timedelta(days=3))


def _registered(fleet: Fleet, name: str, at: datetime) -> Device:
    return lifecycle.register(fleet=fleet, name=name, device_type=fleet.device_type, at=at)


def _worked(device: Device, at: datetime, **facts: str) -> None:
    """Record that the device came online a few seconds after `at` and reported these facts."""
    at, organization = at + timedelta(seconds=5), device.organization
    connectivity.vpn_connected(_server(device), [device.uuid], at, organization=organization)
    at += timedelta(seconds=1)
    connectivity.record_heartbeats([device.pk], at)
    reports.apply_reports([(device.pk, facts)], at)


def _lost_its_vpn(device: Device, at: datetime) -> None:
    organization = device.organization
    connectivity.vpn_disconnected(_server(device), [device.uuid], at, organization=organization)


def _server(device: Device) -> str:
    """The name of a VPN server of the past, which the simulator does not use."""
    return f"vpn-0.{device.organization.slug}"
