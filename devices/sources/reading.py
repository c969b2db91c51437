"""Reading a source, page by page: nothing is written before all of it has been read."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Generic, TypeVar

from devices.sources import queries
from devices.sources.answers import Application, Links, Person, RemoteDevice, Rows, ServiceInstance, decoded
from devices.sources.client import Answer, Api, Failed, Refused
from devices.sources.ladder import Known

SILENT: Final = timedelta(seconds=60)  # of a VPN server, since its last sign of life
MOST_PAGES: Final = 2000  # of one resource: a million devices
FLEET: Final = "fleet"  # the class of an application that has devices, unless it is an OS

Row = TypeVar("Row", Application, Links, RemoteDevice, ServiceInstance)


@dataclass(frozen=True)
class Ended:
    """A VPN server that stopped reporting to the source: its name, and when its reports ceased to count."""

    name: str
    at: datetime | None


@dataclass(frozen=True)
class Pages(Generic[Row]):
    """Pages of rows in the order of their ids, kept packed as they came: so that many take little memory."""

    kind: type[Row]
    packed: list[bytes] = field(default_factory=list)

    def add(self, body: bytes) -> None:
        """Add a page, which was decoded before."""
        self.packed.append(zlib.compress(body, 1))

    def __iter__(self) -> Iterator[list[Row]]:
        for each in self.packed:
            yield _rows(zlib.decompress(each), self.kind)


@dataclass(frozen=True)
class Quick:
    """What a quick sweep read: links and progress of devices."""

    pages: Pages[Links]
    ended: dict[int, Ended]  # VPN servers that are silent, by their ids there


@dataclass(frozen=True)
class Whole:
    """What a whole sweep read: all fleets, and all devices of those that are mirrored."""

    applications: dict[int, Application]  # by id
    pages: Pages[RemoteDevice]
    ended: dict[int, Ended] = field(default_factory=dict)

    def devices(self) -> Iterator[RemoteDevice]:
        """The devices of these fleets, unpacked page by page."""
        for page in self.pages:
            yield from (device for device in page if device.belongs_to__application.id in self.applications)


async def whoami(api: Api) -> Person:
    """Whose token it is. Raises Failed."""
    return decoded((await api.get(queries.WHOAMI)).body, Person)


async def applications(api: Api, known: Known, only: Collection[str] = ()) -> dict[int, Application]:
    """The fleets that the token may see, by id; of these slugs alone where any are given. Raises Failed."""
    pages = await _all(api, "application", known["application"], Application)
    fleets = (row for rows in pages for row in rows if row.is_of__class == FLEET and not row.is_host)
    return {row.id: row for row in fleets if not only or row.slug in only}


async def whole(api: Api, known: Known, only: Collection[str] = ()) -> Whole:
    """A whole sweep. Raises Failed."""
    fleets = await applications(api, known, only)
    pages = Pages(RemoteDevice)
    if fleets:
        pages = await _all(api, "device", known["device"], RemoteDevice, fleets)
    return Whole(fleets, pages, await _ended(api, known))


async def quick(api: Api, known: Known, fleets: Collection[int]) -> Quick:
    """A quick sweep of the devices of these fleets, by their ids there. Raises Failed."""
    parts = [part for part in queries.QUICK if part in known["device"]]
    pages = await _all(api, "device", parts, Links, fleets) if fleets else Pages(Links)
    return Quick(pages, await _ended(api, known))


async def _all(
    api: Api, resource: str, parts: Sequence[str], kind: type[Row], fleets: Collection[int] = ()
) -> Pages[Row]:
    """All rows of a resource, by id, each once."""
    named = fleets if len(fleets) <= queries.MOST_FLEETS else ()
    pages, after = Pages(kind), 0
    for _ in range(MOST_PAGES):
        answer = await api.get(queries.page(resource, parts, after, fleets=named))
        ids: list[int] = [row.id for row in _rows(answer.body, kind)]
        if not ids:  # a server may give fewer rows than were asked for, so only none is the end
            return pages
        if any(earlier >= later for earlier, later in zip([after, *ids], ids, strict=False)):
            raise Failed("Its rows are not in the order of their ids.")
        pages.add(answer.body)
        after = ids[-1]
    raise Failed("It has more rows than Lookout reads.")


def _rows(body: bytes, kind: type[Row]) -> list[Row]:
    rows: list[Row] = decoded(body, Rows[kind]).d  # type: ignore[valid-type]  # for msgspec
    return rows


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
