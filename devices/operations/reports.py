"""Recording reports: what devices report about themselves, written to their rows."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec
from django.db import transaction

from devices import clock, freezing
from devices.clock import Moment
from devices.models import Device
from devices.rules.metrics import possible
from devices.transitions import write as transitions
from devices.transitions.write import settle_devices
from fleets.postgres.round_trip import rows_of_each
from fleets.text import kept

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# How often metrics are stored at most, where nothing else changed (protocol.md, Timing of real agents).
METRICS_EVERY: Final = timedelta(minutes=1)
LONGEST: Final = 255  # characters of a text that are stored, in NFC

REPORTED: Final = (
    "os_version",
    "supervisor_version",
    "release",
    "target_release",
    "ip_addresses",
    "mac_addresses",
    "provisioning_state",
    "provisioning_progress",
    "update_status",
    "update_progress",
)
PROGRESS: Final = ("provisioning_progress", "update_progress")
WRITTEN: Final = (*REPORTED, "metrics", "metrics_at", "progress_changed_at")

# One statement for any number of devices, as the history trigger runs once per statement.
UPDATE: Final = f"""
    UPDATE devices_device d
    SET {", ".join(f"{column} = moves.{column}" for column in WRITTEN)},
        {transitions.CONTACT}, facts_at = moves.at, facts_reason = '{{"slug": "report"}}'
    FROM (
        SELECT reported.*, %(at)s AS at
        FROM jsonb_populate_recordset(NULL::devices_device, %(rows)s) AS reported
    ) AS moves
    WHERE d.id = moves.id
"""  # noqa: S608  names of this project


@transaction.atomic
def apply_reports(
    reports: Iterable[tuple[int, Mapping[str, Any]]], at: datetime | Moment | None = None
) -> int:
    """Record reports, each as (device id, payload); returns how many devices reported.

    A payload has fields of REPORTED, and `metrics`, whose values are merged into the stored ones; None and
    impossible values remove one. Several reports of a device apply in order. A report is contact, so it
    activates the device; the caller leaves out frozen devices.
    """
    at, reports = clock.moment(at), list(reports)
    ids = {device_id for device_id, _ in reports}
    freezing.hold_for_contact(ids)
    settle_devices(ids, at)
    return write_reports(reports, at)


def write_reports(reports: Iterable[tuple[int, Mapping[str, Any]]], at: Moment) -> int:
    """Write these reports, as `apply_reports` takes them; returns how many devices spoke.

    In a transaction that has settled their devices by `at`, and before that called
    `freezing.hold_for_contact` for them.
    """
    merged = _merged(reports)
    before = list(
        Device.objects.filter(pk__in=merged).values("id", "is_active", *WRITTEN)
    )  # locked by settling
    rows = [{"id": row["id"]} | _after(row, merged[row["id"]], at.at) for row in before]
    rows_of_each((UPDATE,), {"at": at.at, "rows": _json(rows)})
    freezing.refreeze_activated([row["id"] for row in before if not row["is_active"]], at)
    return len(rows)


def _json(rows: list[dict[str, Any]]) -> str:
    return msgspec.json.encode(rows).decode()


def _merged(reports: Iterable[tuple[int, Mapping[str, Any]]]) -> dict[int, dict[str, Any]]:
    """The payloads merged by device id; a later value replaces an earlier one."""
    merged: dict[int, dict[str, Any]] = {}
    for device_id, changes in reports:
        device_report = merged.setdefault(device_id, {})
        metrics = {**device_report.get("metrics", {}), **changes.get("metrics", {})}
        device_report |= as_kept(changes)
        if metrics:
            device_report["metrics"] = metrics
    return merged


def as_kept(changes: Mapping[str, Any]) -> dict[str, Any]:
    """A payload with its texts normalized as they are stored (fleets/text.py), LONGEST characters at most."""
    return {name: _kept(value) for name, value in changes.items()}


def _kept(value: Any) -> Any:
    if isinstance(value, list):
        return [text for text in map(_kept, value) if text]
    return kept(value)[:LONGEST] if isinstance(value, str) else value


def _after(row: dict[str, Any], changes: Mapping[str, Any], at: datetime) -> dict[str, Any]:
    """A device's row (WRITTEN columns and id) after a report with this payload at `at`."""
    reported = {name: changes[name] for name in REPORTED if name in changes}
    metrics = _metrics(row, reported, changes.get("metrics"), at)
    return row | reported | metrics | _progress(row, reported, at)


def _metrics(
    row: dict[str, Any], reported: dict[str, Any], metrics: Mapping[str, Any] | None, at: datetime
) -> dict[str, Any]:
    """The columns of metrics after a report; empty: only metrics changed, less than METRICS_EVERY ago."""
    if metrics is None:
        return {}
    alone = all(row[name] == value for name, value in reported.items())
    if alone and row["metrics_at"] is not None and at < row["metrics_at"] + METRICS_EVERY:
        return {}
    known = {**row["metrics"], **possible(metrics)}
    return {
        "metrics": {name: value for name, value in known.items() if value is not None},
        "metrics_at": _later(row["metrics_at"], at),
    }


def _progress(row: dict[str, Any], reported: dict[str, Any], at: datetime) -> dict[str, Any]:
    if all(row[name] == reported.get(name, row[name]) for name in PROGRESS):
        return {}
    return {"progress_changed_at": _later(row["progress_changed_at"], at)}


def _later(before: datetime | None, at: datetime) -> datetime:
    """The later of the two, since a stored time never goes back."""
    return at if before is None else max(before, at)
