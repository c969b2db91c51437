"""What devices say often, polls and reports, committed many at a time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from django.db import transaction

from devices import clock, connectivity, freezing, keys
from devices.ingest.database import in_database
from devices.ingest.http import Refused, no_database
from devices.operations import reports
from devices.transitions.write import settle_devices


@dataclass(frozen=True, slots=True)
class Contact:
    """One call of a device: a poll, a report, or a poll with a report, which count both or neither.

    `report` is what it says, as `devices.operations.reports` takes it; where the body could not be read,
    why: whose key it is comes first. `uuid` is the device it must be, if the call names one.
    """

    key: str
    is_poll: bool
    report: dict[str, Any] | Refused | None
    address: str
    uuid: str | None = None
    supervisor: bool = False


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
    at = clock.moment()
    found = keys.find_devices({contact.key for contact in contacts}, at.at)
    holders = [_holder(found, contact) for contact in contacts]
    known = [(device, contact) for device, contact in zip(holders, contacts, strict=True) if device]
    polls, reported = _polls(known), _reports(known)
    if polls and reported:  # takes the locks for both, in their one order
        both = {*polls, *(device_id for device_id, _ in reported)}
        freezing.hold_for_contact(both)
        settle_devices(both, at)
    if polls:
        addresses = {device_id: address for device_id, address in polls.items() if address}
        supervisors = {device.device_id for device, contact in known if contact.supervisor}
        connectivity.record_heartbeats(polls, at, addresses=addresses, supervisors=supervisors)
    if reported:
        reports.apply_reports(reported, at)
    return holders


def _holder(found: dict[str, keys.KeyHolder], contact: Contact) -> keys.KeyHolder | None:
    device = found.get(contact.key)
    return device if device and contact.uuid in {None, device.uuid} else None


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
        (device.device_id, contact.report)
        for device, contact in known
        if isinstance(contact.report, dict) and not device.frozen_reason
    ]
