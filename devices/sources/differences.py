"""What differs between a source and the devices here that mirror it, and writing it but for the links."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from django.db import connection

from devices.clock import Moment
from devices.models import Device, Source
from devices.sources import facts
from devices.sources.answers import Links, RemoteDevice
from devices.sources.facts import LinkFacts
from fleets.models import Fleet

PROGRESS: Final = ("provisioning_state", "provisioning_progress", "update_status", "update_progress")
DESCRIBED: Final = (
    "name",
    "device_type",
    "os_version",
    "supervisor_version",
    "release",
    "target_release",
    "ip_addresses",
    "mac_addresses",
    "public_address",
    "metrics",
    "vpn_setting",
)
OTHERS: Final = (
    "notes",
    "tags",
    "poll_interval",
    "provisioned_at",
    "is_active",
    "activated_at",
    "progress_changed_at",
    "metrics_at",
    "vpn_enabled",
)
WRITTEN: Final = (*PROGRESS, *DESCRIBED, *OTHERS)
# What the relay sees itself, at its moment, of a device that polls through it.
RELAYED: Final = {*PROGRESS, *DESCRIBED, "poll_interval"} - {
    *("name", "device_type", "target_release", "vpn_setting")
}
READ: Final = (
    *WRITTEN,
    "pk",
    "uuid",
    "created_at",
    "fleet_id",
    "heartbeat_state",
    "vpn_connected",
    "poll__due_at",
    "mirrored__remote_id",
    "mirrored__status",
    "mirrored__note",
    "mirrored__tags",
)
UPDATE: Final = f"""
UPDATE devices_device d SET {", ".join(f"{column} = moves.{column}" for column in WRITTEN)},
    facts_at = %(at)s, facts_reason = '{{"slug": "mirrored"}}'
FROM jsonb_populate_recordset(NULL::devices_device, %(rows)s) AS moves WHERE d.id = moves.id
"""  # noqa: S608 - names of this project
WORDS: Final = """
UPDATE devices_mirroreddevice m SET remote_id = moves.remote_id, status = moves.status, note = moves.note,
       tags = moves.tags
FROM jsonb_populate_recordset(NULL::devices_mirroreddevice, %(rows)s) AS moves
WHERE m.device_id = moves.device_id
"""

PLACES: Final = {name: place for place, name in enumerate(READ)}


class Row:
    """A device here, by the names in READ: a fifth of the memory of a dict."""

    __slots__ = ("_values",)

    def __init__(self, values: tuple[Any, ...]) -> None:
        self._values = values

    def __getitem__(self, name: str) -> Any:
        return self._values[PLACES[name]]


@dataclass(frozen=True, slots=True)
class Difference:
    """What changes of a device: its columns, its links, and the words of the source; None: nothing.

    `row`: what it was.
    """

    row: Row
    columns: Mapping[str, Any] | None
    links: LinkFacts | None
    words: Mapping[str, Any] | None

    @property
    def device(self) -> int:
        """The primary key."""
        return int(self.row["pk"])

    def __bool__(self) -> bool:
        return bool(self.columns or self.links or self.words)


def here(source: Source, **those: Any) -> list[Row]:
    """Those devices that mirror this source, as they are now."""
    mirrored = Device.objects.filter(mirrored__source=source, **those).order_by("pk")
    return [Row(values) for values in mirrored.values_list(*READ)]


def of_links(row: Row, read: Links, links: LinkFacts, at: Moment) -> Difference:
    """What a quick sweep changes of a device."""
    changed = {} if row["poll__due_at"] else _changed(row, facts.progress(read))
    return _difference(row, changed, links, {"status": facts.text(read.overall_status)[:50]}, at)


def of_all(
    row: Row, read: RemoteDevice, links: LinkFacts, where: tuple[Fleet, Source], at: Moment
) -> Difference:
    """What a whole sweep changes of a device of this fleet and source, but for its move."""
    fleet, source = where
    tags, note = facts.tags(read), facts.note(read)
    wanted = facts.progress(read) | facts.described(read) | {"tags": _merged(row, tags)}
    if note != row["mirrored__note"]:
        wanted["notes"] = note
    wanted["public_address"] = wanted["public_address"] or row["public_address"]  # openBalena never has one
    wanted["poll_interval"] = facts.interval(read.device_config_variable, source.poll_interval)
    used = wanted["vpn_setting"]
    wanted["vpn_enabled"] = bool(fleet.vpn_enabled) if used is None else used
    wanted["is_active"] = read.is_active is not False
    wanted["provisioned_at"] = row["provisioned_at"] or (
        min(read.created_at or at.at, at.at) if facts.was_provisioned(read) else None
    )
    if row["poll__due_at"]:
        wanted = {name: value for name, value in wanted.items() if name not in RELAYED}
    words = {"remote_id": read.id, "status": facts.text(read.overall_status)[:50], "note": note, "tags": tags}
    return _difference(row, _changed(row, wanted), links, words, at)


def write(differences: Sequence[Difference], at: Moment) -> None:
    """Write the columns and the words of these devices, which are settled."""
    columns = [
        {name: each.row[name] for name in WRITTEN} | {"id": each.device} | dict(each.columns)
        for each in differences
        if each.columns
    ]
    words = [_words(each.row) | dict(each.words) for each in differences if each.words]
    with connection.cursor() as cursor:
        if columns:
            cursor.execute(UPDATE, {"at": at.at, "rows": _json(columns)})
        if words:
            cursor.execute(WORDS, {"rows": _json(words)})


def _difference(
    row: Row, changed: dict[str, Any], links: LinkFacts, words: Mapping[str, Any], at: Moment
) -> Difference:
    if changed.keys() & set(PROGRESS):
        changed["progress_changed_at"] = at.at
    if "metrics" in changed:
        changed["metrics_at"] = at.at
    if "is_active" in changed:
        changed["activated_at"] = at.at if changed["is_active"] else None
    same = (links.heartbeat, links.vpn) == (row["heartbeat_state"], row["vpn_connected"])
    told = _words(row)
    other = {name: value for name, value in words.items() if told[name] != value}
    return Difference(row, changed or None, None if same else links, other or None)


def _changed(row: Row, wanted: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in wanted.items() if row[name] != value}


def _merged(row: Row, tags: Mapping[str, str]) -> dict[str, str]:
    """The tags of a device: those of the source, and those of this site that were never of the source."""
    known = row["tags"] if isinstance(row["tags"], dict) else {}
    return {name: value for name, value in known.items() if name not in row["mirrored__tags"]} | dict(tags)


def _words(row: Row) -> dict[str, Any]:
    names = ("remote_id", "status", "note", "tags")
    return {"device_id": row["pk"]} | {name: row[f"mirrored__{name}"] for name in names}


def _json(rows: Sequence[Mapping[str, Any]]) -> str:
    return msgspec.json.encode(rows).decode()
