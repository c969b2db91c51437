"""Registrations of devices, committed in batches, since each locks its organization until its commit.

With a commit for each of them they would come one by one, and each waits for a second server if there is one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from django.db import Error, transaction

from devices import clock, keys
from devices.ingest.database import CONFLICT, in_database
from devices.ingest.http import NoDatabase, Refused, Reply, no_more, unauthorized
from devices.models import ApiKey
from devices.operations import ceilings, lifecycle
from fleets.access import locks
from fleets.postgres.availability import is_away, sqlstate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from devices.clock import Moment
    from devices.ingest.http import Request
    from devices.models import Device
    from devices.operations.lifecycle import NewDevice

MOST: Final = 200  # in a transaction, for which the organization is locked
WAITING: Final = 4 * 1024 * 1024  # the weight of those that wait: some 4,000


@dataclass(frozen=True, slots=True)
class Dialect:
    """How registrations are read and answered in a dialect.

    `read` gives what the device says, and the key that it chose if it did; it raises Refused. `registered`
    is told the device, its key and its poll interval in seconds. `taken`: another one has its UUID.
    """

    read: Callable[[Request], tuple[NewDevice, str | None]]
    registered: Callable[[Device, str, int], Reply]
    taken: Callable[[], Reply | Refused]


@dataclass(frozen=True, slots=True)
class Registration:
    """A call that registers a device."""

    request: Request
    dialect: Dialect


@dataclass(frozen=True, slots=True)
class Readable:
    """A registration whose key is live and whose body is valid; `place` is its place in the batch."""

    place: int
    dialect: Dialect
    new: NewDevice
    chosen: str | None


Outcome = Reply | Exception


def commit(registrations: list[Registration]) -> list[Outcome]:
    """Commit them in one transaction; returns for each its reply, or the error that it ends with."""
    try:
        return in_database(partial(_commit, registrations))
    except Refused:
        return [NoDatabase() for _ in registrations]


@transaction.atomic
def _commit(registrations: list[Registration]) -> list[Outcome]:
    at = clock.moment()
    found = keys.find_all({each.request.key for each in registrations}, ApiKey.Kind.PROVISIONING, at.at)
    locks.hold(key.organization_id for key in found.values() if key.organization_id)
    outcomes: dict[int, Outcome] = {}
    by_key: dict[ApiKey, list[Readable]] = {}
    for place, each in enumerate(registrations):
        key = found.get(each.request.key)
        if key is None:
            outcomes[place] = unauthorized()
            continue
        try:
            new, chosen = each.dialect.read(each.request)
        except Refused as refusal:
            outcomes[place] = refusal
        else:
            by_key.setdefault(key, []).append(Readable(place, each.dialect, new, chosen))
    for key, group in by_key.items():
        outcomes |= _registered(key, group, at)
    return [outcomes[place] for place in range(len(registrations))]


def _registered(key: ApiKey, group: Sequence[Readable], at: Moment) -> dict[int, Outcome]:
    """The outcomes by place. Those that fail are halved until the culprit stands alone.

    Raises errors that concern the whole transaction.
    """
    try:
        with transaction.atomic():
            return _register(key, group, at)
    except Exception as error:
        if isinstance(error, Error) and (is_away(error) or sqlstate(error).startswith(CONFLICT)):
            raise
        if len(group) == 1:
            return {group[0].place: _refusal(error, group[0].dialect)}
    middle = len(group) // 2
    return _registered(key, group[:middle], at) | _registered(key, group[middle:], at)


def _register(key: ApiKey, group: Sequence[Readable], at: Moment) -> dict[int, Outcome]:
    assert key.fleet is not None  # by the constraint api_key_owner
    new = [each.new for each in group]
    devices = lifecycle.register_all(fleet=key.fleet, new=new, provisioning_key=key, at=at)
    issued = keys.issue_all(devices, [each.chosen for each in group], at=at.at)
    holders = keys.find_devices(issued, at.at)
    return {
        each.place: each.dialect.registered(device, text, holders[text].poll_interval)
        for each, device, text in zip(group, devices, issued, strict=True)
    }


def _refusal(error: Exception, dialect: Dialect) -> Outcome:
    if isinstance(error, lifecycle.UuidTaken):
        return dialect.taken()
    if isinstance(error, lifecycle.FleetGone):
        return unauthorized()  # its keys went with it
    if isinstance(error, ceilings.Reached):
        return no_more(error)
    if isinstance(error, keys.Guessable | keys.KeyTaken):
        return Refused(400, str(error), "api_key")
    return error
