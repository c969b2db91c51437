"""What devices say often, polls and reports, committed many at a time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from django.db import transaction

from devices import clock, connectivity, keys, reports
from devices.ingest.bodies import Report
from devices.ingest.database import in_database
from devices.ingest.http import Refused, no_database


@dataclass(frozen=True, slots=True)
class Contact:
    """One call of a device: a poll, a report, or a poll with a report, which count both or neither.

    Where the body could not be read, `report` says why: whose key it is comes first.
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
        return [no_database() for _ in contacts]
    except Exception as error:  # noqa: BLE001  whatever it is, the others get their answer
        if len(contacts) == 1:
            return [error]
        middle = len(contacts) // 2
        return commit(contacts[:middle]) + commit(contacts[middle:])


@transaction.atomic
def _commit(contacts: list[Contact]) -> list[keys.KeyHolder | None]:
    at = clock.now()
    found = keys.find_devices({contact.key for contact in contacts}, at)
    known = [(found[contact.key], contact) for contact in contacts if contact.key in found]
    polls, reported = _polls(known), _reports(known)
    if reported:  # takes the locks for both, in their one order
        connectivity.settle_devices({*polls, *(device_id for device_id, _ in reported)}, at)
    if polls:
        addresses = {device_id: address for device_id, address in polls.items() if address}
        connectivity.record_heartbeats(polls, at, addresses=addresses)
    if reported:
        reports.apply_reports(reported, at)
    return [found.get(contact.key) for contact in contacts]


def _polls(known: list[tuple[keys.KeyHolder, Contact]]) -> dict[int, str]:
    """The devices that polled, each with its address.

    A frozen device's poll counts, whatever its body; any other's only with a good one.
    """
    return {
        device.device_id: contact.address
        for device, contact in known
        if contact.is_poll and (device.frozen_reason or not isinstance(contact.report, Refused))
    }


def _reports(known: list[tuple[keys.KeyHolder, Contact]]) -> list[tuple[int, dict[str, Any]]]:
    """What the devices said. A frozen device's report is refused and no contact."""
    return [
        (device.device_id, contact.report.changes())
        for device, contact in known
        if isinstance(contact.report, Report) and not device.frozen_reason
    ]
