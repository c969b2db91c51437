"""What devices say often, polls and reports, committed many at a time (architecture.md, The hot path)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from django.db import transaction

from devices import clock, connectivity, keys, reports
from devices.ingest.bodies import Report
from devices.ingest.database import in_database
from devices.ingest.http import Refused, busy

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Contact:
    """One call of a device: a poll, a report, or a poll with a report, which count both or neither.

    `report` is what was wrong with the body where it could not be read: whose key it is comes first.
    """

    key: str
    is_poll: bool
    report: Report | Refused | None
    address: str


def commit(contacts: list[Contact]) -> list[keys.KeyHolder | Exception | None]:
    """Make all of them durable, in one transaction if it can be; never raises.

    For each contact: whose key it was, None if nobody's, or what went wrong. A batch that fails is
    halved until the culprit stands alone, so that only it gets the error.
    """
    try:
        return list(in_database(partial(_commit, contacts)))
    except Refused:
        return [busy() for _ in contacts]
    except Exception as error:  # whatever it is, it must not cost the others their answer
        if len(contacts) == 1:
            return [error]
        middle = len(contacts) // 2
        return commit(contacts[:middle]) + commit(contacts[middle:])


@transaction.atomic
def _commit(contacts: list[Contact]) -> list[keys.KeyHolder | None]:
    at = clock.now()
    found = keys.find_devices({contact.key for contact in contacts}, at)
    known = [(found[contact.key], contact) for contact in contacts if contact.key in found]
    _record_polls(known, at)
    _apply_reports(known, at)
    return [found.get(contact.key) for contact in contacts]


def _record_polls(known: list[tuple[keys.KeyHolder, Contact]], at: datetime) -> None:
    """A frozen device's poll counts, whatever its body; any other's only with a good one."""
    polls = {
        device.device_id: contact.address
        for device, contact in known
        if contact.is_poll and (device.frozen_reason or not isinstance(contact.report, Refused))
    }
    if polls:
        addresses = {device: address for device, address in polls.items() if address}
        connectivity.record_heartbeats(list(polls), at, addresses=addresses)


def _apply_reports(known: list[tuple[keys.KeyHolder, Contact]], at: datetime) -> None:
    """A frozen device's report is refused and no contact."""
    said = [
        (device.device_id, contact.report.changes())
        for device, contact in known
        if isinstance(contact.report, Report) and not device.frozen_reason
    ]
    if said:
        reports.apply_reports(said, at)
