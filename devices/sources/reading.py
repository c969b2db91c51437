"""Reading a source, page by page: nothing is written before all of it has been read."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypeVar

from devices.sources import queries
from devices.sources.answers import Application, Links, Person, RemoteDevice, Rows, ServiceInstance, decoded
from devices.sources.client import Answer, Api, Failed, Refused
from devices.sources.ladder import Known

SILENT: Final = timedelta(seconds=60)  # of a VPN server, since its last sign of life
MOST_PAGES: Final = 2000  # of one resource: a million devices
FLEET: Final = "fleet"  # the class of an application that has devices

Row = TypeVar("Row", Application, Links, RemoteDevice, ServiceInstance)


@dataclass(frozen=True)
class Ended:
    """A VPN server that stopped reporting to the source: its name, and when its reports ceased to count."""

    name: str
    at: datetime | None


@dataclass(frozen=True)
class Quick:
    """What a quick sweep read: links and progress of devices."""

    devices: Sequence[Links]
    ended: dict[int, Ended]  # VPN servers that are silent, by their ids there


@dataclass(frozen=True)
class Whole:
    """What a whole sweep read: all fleets, and all devices of those that are mirrored."""

    applications: dict[int, Application]  # by id
    devices: Sequence[RemoteDevice]
    ended: dict[int, Ended] = field(default_factory=dict)


async def whoami(api: Api) -> Person:
    """Whose token it is. Raises Failed."""
    return decoded((await api.get(queries.WHOAMI)).body, Person)


async def applications(api: Api, known: Known, only: Collection[str] = ()) -> dict[int, Application]:
    """The fleets that the token may see, by id; of these slugs alone where any are given. Raises Failed."""
    rows = await _all(api, "application", known["application"], Application)
    fleets = (row for row in rows if row.is_of__class == FLEET)
    return {row.id: row for row in fleets if not only or row.slug in only}


async def whole(api: Api, known: Known, only: Collection[str] = ()) -> Whole:
    """A whole sweep. Raises Failed."""
    fleets = await applications(api, known, only)
    devices: list[RemoteDevice] = []
    if fleets:
        devices = await _all(api, "device", known["device"], RemoteDevice, fleets)
    mine = [device for device in devices if device.belongs_to__application.id in fleets]
    return Whole(fleets, mine, await _ended(api, known))


async def quick(api: Api, known: Known, fleets: Collection[int]) -> Quick:
    """A quick sweep of the devices of these fleets, by their ids there. Raises Failed."""
    parts = [part for part in queries.QUICK if part in known["device"]]
    devices = await _all(api, "device", parts, Links, fleets) if fleets else []
    return Quick(devices, await _ended(api, known))


async def _all(
    api: Api, resource: str, parts: Sequence[str], kind: type[Row], fleets: Collection[int] = ()
) -> list[Row]:
    """All rows of a resource, by id, each once."""
    named = fleets if len(fleets) <= queries.MOST_FLEETS else ()
    rows: list[Row] = []
    for _ in range(MOST_PAGES):
        after = rows[-1].id if rows else 0
        answer = await api.get(queries.page(resource, parts, after, fleets=named))
        page: list[Row] = decoded(answer.body, Rows[kind]).d  # type: ignore[valid-type]  # for msgspec
        if any(earlier >= later for earlier, later in zip([after, *_ids(page)], _ids(page), strict=False)):
            raise Failed("Its rows are not in the order of their ids.")
        if not page:  # a server may give fewer rows than were asked for, so only none is the end
            return rows
        rows += page
    raise Failed("It has more rows than Lookout reads.")


def _ids(rows: Sequence[Row]) -> list[int]:
    return [row.id for row in rows]


async def _ended(api: Api, known: Known) -> dict[int, Ended]:
    """The VPN servers that are silent by the clock of the source, by their ids there."""
    if not known["service_instance"]:
        return {}
    try:
        answer = await api.get(queries.page("service_instance", known["service_instance"], 0))
    except Refused:
        return {}
    return dict(_silent(answer))


def _silent(answer: Answer) -> list[tuple[int, Ended]]:
    found = decoded(answer.body, Rows[ServiceInstance]).d
    if answer.at is None:
        return []
    return [
        (server.id, Ended(server.ip_address or f"{server.id}", server.last_heartbeat + SILENT))
        for server in found
        if server.last_heartbeat and server.last_heartbeat + SILENT <= answer.at
    ]
