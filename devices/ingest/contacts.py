"""Contacts: polls and reports of devices, committed in batches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.db import transaction

from devices import connectivity, keys
from devices.clock import Moment
from devices.ingest.database import in_database
from devices.ingest.http import NoDatabase, Refused
from devices.operations import reports
from devices.transitions.write import settle_devices
from fleets.access import locks


@dataclass(frozen=True, slots=True)
class Contact:
    """One call of a device: a poll, a report, or a poll with a report, of which both count or neither.

    `report` is its payload as `devices.operations.reports` takes it; a Refused where the body could not be
    parsed, which is raised only once the key is accepted. `uuid` is the device that the call names, if any:
    the key must be its own. `address` is where the call came from, `supervisor` whether in that dialect.
    """

    key: str
    is_poll: bool
    report: dict[str, Any] | Refused | None
    address: str
    uuid: str | None = None
    supervisor: bool = False


def commit(contacts: list[Contact]) -> list[keys.KeyHolder | Exception | None]:
    """Commit all contacts, in one transaction if that succeeds; never raises.

    Returns for each contact the device that its key is for, None where the key is not accepted, or the error.
    A batch that fails is halved until the culprit stands alone, so that only it gets the error.
    """
    try:
        return list(in_database(partial(write, contacts)))
    except Refused:
        return [NoDatabase() for _ in contacts]
    except Exception as error:  # noqa: BLE001  whatever it is, the others get their answer
        if len(contacts) == 1:
            return [error]
        middle = len(contacts) // 2
        return commit(contacts[:middle]) + commit(contacts[middle:])


@transaction.atomic
def write(contacts: list[Contact]) -> list[keys.KeyHolder | None]:
    """Write all contacts; returns for each the device that its key is for, None: the key is not accepted."""
    at, found = keys.find_devices_now({contact.key for contact in contacts})
    holders = [_holder(found, contact) for contact in contacts]
    known = [(device, contact) for device, contact in zip(holders, contacts, strict=True) if device]
    polls, reported = _polls(known), _reports(known)
    if reported:  # a report locks devices, so what a poll activates is locked before, too
        locks.hold(device.organization_id for device, _ in known if not device.is_active)
    supervisors = {device.device_id for device, contact in known if contact.supervisor}
    record(polls, reported, at, supervisors=supervisors)
    return holders


def record(
    polls: Mapping[int, str],
    reported: Sequence[tuple[int, dict[str, Any]]],
    at: Moment,
    *,
    supervisors: Iterable[int],
) -> None:
    """Record polls, as addresses (empty: not known) by device id, and reports of devices that are not frozen.

    `supervisors` are the ids of the devices whose agent is a supervisor. In the caller's transaction, which
    has locked the organizations with devices to activate where there are reports.
    """
    if reported:  # takes the locks of both in the order of all
        settle_devices({*polls, *(device_id for device_id, _ in reported)}, at)
    if polls:
        addresses = {device_id: address for device_id, address in polls.items() if address}
        connectivity.record_heartbeats(
            polls, at, addresses=addresses, supervisors=supervisors, settled=bool(reported)
        )
    if reported:
        reports.write_reports(reported, at)


def _holder(found: dict[str, keys.KeyHolder], contact: Contact) -> keys.KeyHolder | None:
    device = found.get(contact.key)
    return device if device and contact.uuid in {None, device.uuid} else None


def _polls(known: list[tuple[keys.KeyHolder, Contact]]) -> dict[int, str]:
    """The addresses that polls came from, by device id.

    A poll of a frozen device counts with any body, that of another device only with a valid one or none.
    """
    return {
        device.device_id: contact.address
        for device, contact in known
        if contact.is_poll and (device.frozen_reason or not isinstance(contact.report, Refused))
    }


def _reports(known: list[tuple[keys.KeyHolder, Contact]]) -> list[tuple[int, dict[str, Any]]]:
    """The valid reports as (device id, payload).

    A report of a frozen device is refused, and is no contact.
    """
    return [
        (device.device_id, contact.report)
        for device, contact in known
        if isinstance(contact.report, dict) and not device.frozen_reason
    ]
