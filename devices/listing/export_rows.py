"""The rows of an export: every fact of a device that the list and the Device Summary show, by plain names.

PostgreSQL writes times and structures as the file has them: reading a row takes a tenth of the time then.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from asgiref.sync import sync_to_async
from django.db.models import QuerySet, TextField
from django.db.models.functions import Coalesce

from devices.models import Device
from devices.rules.vocabulary import LAST_ATTENTION_RANK, Status, shown
from fleets.postgres.expressions import Sql

BATCH: Final = 2000  # rows in memory: some 700 kB of a file

TIME: Final = "replace(to_char({%s} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'), '.000Z', 'Z')"
JSON: Final = "to_jsonb({%s})::text"
LATER: Final = Sql("NULL::text", TextField())  # filled where the rows are made
# The field of an annotated device that each column has.
READ: Final[dict[str, str | Sql]] = {
    "uuid": "uuid",
    "name": "name",
    "organization": "organization__slug",
    "fleet": "fleet__slug",
    "fleet_name": "fleet__name",
    "status": "status",
    "status_label": LATER,
    "status_since": Sql(TIME % "status_since", TextField()),
    "needs_attention": "rank",
    "vpn_connected": "vpn",
    "vpn_since": Sql(TIME % "vpn_since", TextField()),
    "vpn_used": "vpn_used",
    "heartbeat": "heartbeat",
    "heartbeat_since": Sql(TIME % "heartbeat_since", TextField()),
    "last_poll": Sql(TIME % "poll__last_poll_at", TextField()),
    "last_contact": Sql(TIME % "last_contact", TextField()),
    "type": "device_type",
    "os_version": "os_version",
    "supervisor_version": "supervisor_version",
    "release": "release",
    "target_release": "target_release",
    "update_progress": "update_progress",
    "ip_addresses": Sql(JSON % "ip_addresses", TextField()),
    "public_address": "public_address",
    "mac_addresses": Sql(JSON % "mac_addresses", TextField()),
    "tags": Sql(JSON % "tags", TextField()),
    "notes": "notes",
    "poll_interval": "poll_interval",
    "added": Sql(TIME % "created_at", TextField()),
}
COLUMNS: Final = tuple(READ)
STRUCTURES: Final = ("ip_addresses", "mac_addresses", "tags")  # columns whose values are written as JSON


class Batches:
    """The rows of `devices`, which with_status annotated, in batches; all of one snapshot.

    A row has the values of COLUMNS. They are read through a server-side cursor, so that neither side holds
    all rows in memory. Outside a transaction the server materializes the result and keeps no snapshot, so a
    slow reader blocks nothing.
    """

    def __init__(self, devices: QuerySet[Device]) -> None:
        rows: Any = devices.annotate(vpn_used=Coalesce("vpn_setting", "fleet__vpn_enabled"))  # null: not yet
        written = {f"written_{column}": read for column, read in READ.items() if isinstance(read, Sql)}
        names = [f"written_{column}" if isinstance(read, Sql) else read for column, read in READ.items()]
        self._rows = rows.annotate(**written).values_list(*names).iterator(chunk_size=BATCH)
        self._words = {status.value: (shown(status).value, shown(status).label) for status in Status}

    async def __aiter__(self) -> AsyncIterator[list[Sequence[Any]]]:
        take = sync_to_async(lambda: [_row(values, self._words) for values in islice(self._rows, BATCH)])
        while batch := await take():
            yield batch

    def close(self) -> None:
        """Close the cursor, which is open as long as not all rows were read."""
        self._rows.close()


STATUS, LABEL, ATTENDED = map(COLUMNS.index, ("status", "status_label", "needs_attention"))


def _row(values: Sequence[Any], words: Mapping[str, tuple[str, str]]) -> Sequence[Any]:
    """The values of COLUMNS as they are read, with the rest filled in; `words`: of each status."""
    row = list(values)
    row[STATUS], row[LABEL] = words[row[STATUS]]
    row[ATTENDED] = row[ATTENDED] <= LAST_ATTENTION_RANK
    return row
