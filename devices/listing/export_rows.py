"""Devices as rows of a file: every fact of the list and of the facts of a Device Summary, by plain names."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from itertools import islice
from typing import Any, Final

from asgiref.sync import sync_to_async
from django.db.models import QuerySet
from django.db.models.functions import Coalesce

from devices.models import Device
from devices.rules.vocabulary import LAST_ATTENTION_RANK, shown

BATCH: Final = 2000  # rows in memory

# What is read, by the names of the columns that it fills.
READ: Final = {
    "uuid": "uuid",
    "name": "name",
    "organization": "organization__slug",
    "fleet": "fleet__slug",
    "fleet_name": "fleet__name",
    "status": "status",
    "status_label": "status",
    "status_since": "status_since",
    "needs_attention": "rank",
    "vpn_connected": "vpn",
    "vpn_since": "vpn_since",
    "vpn_used": "vpn_used",
    "heartbeat": "heartbeat",
    "heartbeat_since": "heartbeat_since",
    "last_poll": "poll__last_poll_at",
    "last_contact": "last_contact",
    "type": "device_type",
    "os_version": "os_version",
    "supervisor_version": "supervisor_version",
    "release": "release",
    "target_release": "target_release",
    "update_progress": "update_progress",
    "ip_addresses": "ip_addresses",
    "public_address": "public_address",
    "mac_addresses": "mac_addresses",
    "tags": "tags",
    "notes": "notes",
    "poll_interval": "poll_interval",
    "added": "created_at",
}
COLUMNS: Final = tuple(READ)
# Columns that say what they read in other words.
FORMATS: Final[dict[str, Callable[[Any], Any]]] = {
    "status": lambda slug: shown(slug).value,
    "status_label": lambda slug: shown(slug).label,
    "needs_attention": lambda rank: rank <= LAST_ATTENTION_RANK,
}


class Batches:
    """All of `devices`, read by with_status, in their order and as they are at one instant.

    Read through a cursor of the server, so that neither side holds them all. Outside a transaction the server
    keeps the answer and no snapshot: a slow reader is in nobody's way.
    """

    def __init__(self, devices: QuerySet[Device]) -> None:
        rows: Any = devices.annotate(vpn_used=Coalesce("vpn_setting", "fleet__vpn_enabled"))  # null: not yet
        self._rows = rows.values_list(*INDEXES).iterator(chunk_size=BATCH)

    async def __aiter__(self) -> AsyncIterator[list[dict[str, Any]]]:
        take = sync_to_async(lambda: [_row(values) for values in islice(self._rows, BATCH)])
        while batch := await take():
            yield batch

    def close(self) -> None:
        self._rows.close()  # who goes away early leaves a cursor


INDEXES: Final = {name: index for index, name in enumerate(dict.fromkeys(READ.values()))}


def _row(values: tuple[Any, ...]) -> dict[str, Any]:
    return {
        column: FORMATS[column](values[INDEXES[name]]) if column in FORMATS else values[INDEXES[name]]
        for column, name in READ.items()
    }
