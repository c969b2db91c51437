"""Preregister devices: one, or all of a list."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from devices import clock
from devices.background import preregistration
from devices.management.devices import fleet_of
from devices.models import Device
from devices.operations import device_file, key_handout, lifecycle
from devices.operations.csv_cells import csv_lines
from devices.operations.device_file import Line
from fleets.models import Fleet


class Command(BaseCommand):
    help = (
        "Creates a device and prints its UUID and key. With --file it creates all devices of a CSV file, or"
        " none, and writes their keys to a new file that only you can read."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("fleet", help="the address of the fleet, as in its URL /fleets/ADDRESS/")
        parser.add_argument("--uuid", help="32 or 62 hexadecimal characters; generated if left out")
        parser.add_argument("--name", default="")
        parser.add_argument("--device-type", default="")
        parser.add_argument(
            "--file", type=Path, help="CSV file with a header (uuid, name, ...), or an export"
        )
        parser.add_argument("--keys", type=Path, help="file for the keys of --file; it must not exist")

    def handle(self, *, fleet: str, file: Path | None, keys: Path | None, **options: Any) -> None:
        into = fleet_of(fleet)
        if file is None:
            one = {name: options[name] for name in ("uuid", "name", "device_type")}
            self.stdout.write(preregister(into, **one))
            return
        if keys is None:
            raise CommandError("--file requires --keys, because keys are not stored. Nothing was done.")
        number = preregister_file(into, file, keys, self.tell)
        self.stdout.write(f"{number} devices are preregistered. Their keys are in {keys}.")

    def tell(self, done: int, total: int) -> None:
        self.stderr.write(f"{done} of {total}")


def preregister(fleet: Fleet, **facts: Any) -> str:
    """Preregister one device; returns its UUID and its key. Raises CommandError where that is refused."""
    try:
        device, key = lifecycle.preregister(fleet=fleet, actor=None, **facts)
    except (lifecycle.InvalidUuid, lifecycle.UuidTaken, lifecycle.FleetGone) as problem:
        raise CommandError(f"{problem} Nothing was done.") from problem
    return f"{device.uuid} {key}"


def preregister_file(fleet: Fleet, file: Path, keys: Path, tell: Callable[[int, int], None]) -> int:
    """Preregister the devices of a list and write their keys to a new file; returns how many.

    `tell` is called with how many are done, and of how many. Raises CommandError where none was created; then
    there is no file of keys.
    """
    lines, at = lines_of(file), clock.moment()
    try:
        out = os.open(keys, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise CommandError(f"{keys} cannot be created: {error.strerror}. Nothing was done.") from error
    try:
        # The keys are on the disk before the transaction commits.
        with os.fdopen(out, "w", newline="") as written, transaction.atomic():
            report = {"progress": lambda done: tell(done, len(lines))}
            made = preregistration.make(fleet=fleet, lines=lines, actor=None, at=at, **report)
            devices = list(Device.objects.filter(pk__in=made).order_by("pk"))
            preregistration.record(fleet, made, None, at.at, file=file.name)
            keyed = key_handout.make(devices, at.at)
            key_handout.record(fleet.organization, file.name, keyed, None, at.at)
            written.write(csv_lines([("uuid", "name", "key"), *((k.uuid, k.name, k.key) for k in keyed)]))
            written.flush()
            os.fsync(written.fileno())
    except BaseException as error:
        keys.unlink()
        if isinstance(error, preregistration.Taken | lifecycle.FleetGone | OSError):
            raise CommandError(f"{str(error).rstrip('.')}. Nothing was done.") from error
        raise
    return len(made)


def lines_of(file: Path) -> Sequence[Line]:
    """The devices of the file. Raises CommandError that names every fault."""
    try:
        read = device_file.read(file.read_bytes())
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}. Nothing was done.") from error
    if read.faults:
        faults = "\n".join(map(str, read.faults))
        raise CommandError(f"{faults}\nNothing was done.")
    return read.lines
