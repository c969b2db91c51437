"""Many devices, quickly: copies of one that registered, polled and reported through the real services.

Device n has the id n, the UUID n in hexadecimal, and a key that follows from n, so that load.lua can
speak for it.
"""

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.db import ProgrammingError, connection, models, transaction

from devices import clock, connectivity, keys
from devices.integrity import counters
from devices.models import ApiKey, Device, Heartbeat
from devices.operations import lifecycle, reports
from devices.schema.search_document import search_documents_sql
from fleets.access.digests import digests
from fleets.models import Fleet, Organization

BATCH = 50_000
FLEET_SIZE = 1000
ADDRESS = "127.0.0.1"  # where the load will come from
SAID = {
    "os_version": "Lookout OS 6.0",
    "supervisor_version": "17.0.1",
    "release": "0f1e2d3c4b5a69788f1e2d3c4b5a6978",
    "ip_addresses": ["192.0.2.17", "2001:db8::17"],
    "mac_addresses": ["02:00:00:00:00:17"],
    "update_status": "downloading",
    "update_progress": 50,
    "metrics": {"cpu_percent": 12.5, "memory_used": 412316860, "memory_total": 1073741824},
}

DEVICES = """
INSERT INTO devices_device ({columns})
SELECT {values} FROM devices_device AS model, generate_series(%(first)s::int, %(last)s) AS n
WHERE model.id = 1
"""
KEYS = """
INSERT INTO devices_apikey ({columns})
SELECT {values} FROM devices_apikey AS model, made WHERE model.id = 1
"""
# Each polled at some moment of the last half interval: none is due while we measure.
HEARTBEATS = """
INSERT INTO devices_heartbeat ({columns})
SELECT {values} FROM devices_heartbeat AS model,
    (SELECT id, (%(silent)s + random() * %(longest)s) * interval '1 second' AS age
     FROM devices_device ORDER BY id) AS device
WHERE model.device_id = 1 AND device.id > 1
"""


def key_of(number: int) -> str:
    """The key of the device with this number, as load.lua computes it too."""
    return f"benchmark-{number:032d}"


def uuid_of(number: int) -> str:
    return f"{number:032x}"


def fill(devices: int) -> None:
    """Migrate the database, and create so many devices unless they exist; all have just polled."""
    call_command("migrate", verbosity=0)
    if not filled(devices):
        execute("TRUNCATE devices_device, fleets_fleet, fleets_organization RESTART IDENTITY CASCADE")
        make_model(devices)
        in_batches("devices", devices, copy_devices, first=2)
        execute(search_documents_sql("devices_device"))
        in_batches("keys", devices, copy_keys)
        execute("VACUUM ANALYZE devices_device, devices_apikey, devices_description")
    refresh_heartbeats()
    refresh_updates()
    counters.recount()  # made without triggers
    checkpoint()


def filled(devices: int) -> bool:
    """Whether so many devices exist with the key of the last one, which is created last."""
    last = key_of(devices)
    reported = Device.objects.filter(os_version=SAID["os_version"]).exists()
    return reported and Device.objects.count() == devices and last in keys.find_devices([last], clock.now())


@transaction.atomic
def make_model(devices: int) -> None:
    """Create the fleets, and device 1, of which the others are copies."""
    organization = Organization.objects.create(name="Benchmark", slug="benchmark")
    numbers = range(1, devices // FLEET_SIZE + 2)
    fleets = Fleet.objects.bulk_create(
        [
            Fleet(organization=organization, name=f"Fleet {n}", slug=f"fleet-{n}", vpn_enabled=True)
            for n in numbers
        ]
    )
    device = lifecycle.register(fleet=fleets[0], uuid=uuid_of(1), name="device")
    keys.new_device_key(device)
    connectivity.record_heartbeats([device.pk], addresses={device.pk: ADDRESS})
    reports.apply_reports([(device.pk, SAID)])


def in_batches(what: str, devices: int, make: Callable[[int, int], None], *, first: int = 1) -> None:
    """Call `make` with ranges of numbers from `first` to the last device, and print the progress."""
    began = time.monotonic()
    for start in range(first, devices + 1, BATCH):
        last = min(start + BATCH - 1, devices)
        make(start, last)
        rate = (last - first + 1) / (time.monotonic() - began)
        sys.stdout.write(f"\r  {what}: {last:,} of {devices:,} ({rate:,.0f}/s) ")
        sys.stdout.flush()
    sys.stdout.write("\n")
    sys.stdout.flush()


@transaction.atomic
def copy_devices(first: int, last: int) -> None:
    columns, values = copied(
        Device, id="n", uuid="lpad(to_hex(n), 32, '0')", fleet_id=f"1 + n / {FLEET_SIZE}"
    )
    # Their history would begin with a row for each, which no poll and no report meets.
    execute("ALTER TABLE devices_device DISABLE TRIGGER USER")
    execute(DEVICES.format(columns=columns, values=values), first=first, last=last)
    execute("SET CONSTRAINTS ALL IMMEDIATE")
    execute("ALTER TABLE devices_device ENABLE TRIGGER USER")


@transaction.atomic
def copy_keys(first: int, last: int) -> None:
    columns, values = copied(ApiKey, id=None, device_id="made.device", digest="made.digest")
    execute("CREATE TEMPORARY TABLE made (device bigint, digest bytea) ON COMMIT DROP")
    with (
        connection.cursor() as cursor,
        cursor.copy("COPY made FROM STDIN (FORMAT BINARY)") as copy,
    ):
        copy.set_types(["int8", "bytea"])
        for number in range(first, last + 1):
            copy.write_row([number, digests(key_of(number))[0]])
    execute(KEYS.format(columns=columns, values=values))


def refresh_heartbeats(silent: int = 0) -> None:
    """Bring rows into the state after an interval of polls: a new order of times, and no deadline soon.

    The newest of these polls was `silent` seconds ago.
    """
    times = ("last_poll_at", "late_at", "lost_at", "due_at")
    columns, values = copied(
        Heartbeat, device_id="device.id", **{name: f"model.{name} - device.age" for name in times}
    )
    execute("TRUNCATE devices_heartbeat")
    connectivity.record_heartbeats([1], addresses={1: ADDRESS})
    execute(
        HEARTBEATS.format(columns=columns, values=values), silent=silent, longest=settings.POLL_INTERVAL / 2
    )
    execute("VACUUM ANALYZE devices_heartbeat")


def refresh_updates() -> None:
    """Let each device install a release again, whatever it reported in the last run."""
    execute("ALTER TABLE devices_device DISABLE TRIGGER USER")
    execute("UPDATE devices_device SET update_progress = 50 WHERE update_progress IS NULL")
    execute("ALTER TABLE devices_device ENABLE TRIGGER USER")
    execute("VACUUM ANALYZE devices_device")


def checkpoint() -> None:
    """Request a checkpoint, if the role may, so that writing the filled rows is not measured."""
    with suppress(ProgrammingError):
        execute("CHECKPOINT")


def copied(model: type[models.Model], **values: str | None) -> tuple[str, str]:
    """Columns and SQL expressions that copy the row `model`, except `values`; None: the column's default."""
    columns = [field.column or "" for field in model._meta.concrete_fields if not field.generated]
    given = {column: values.get(column, f'model."{column}"') for column in columns}
    kept = {column: value for column, value in given.items() if value is not None}
    return ", ".join(f'"{column}"' for column in kept), ", ".join(kept.values())


def execute(sql: str, **params: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, params or None)
