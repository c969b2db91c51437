"""What the devices of a line share: its words, where the list of them all is, and how many there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection
from django.db.models import QuerySet, Sum, Value

from devices.listing import grouping, incidents
from devices.listing.filters import Filters, Tag, unchanging
from devices.listing.grouping import Line
from devices.models import Device, FleetCount, VpnServer
from devices.rules.vocabulary import PROGRESSING
from devices.words import of_site
from fleets.models import Fleet
from fleets.postgres.fragment import Fragment, compiled
from fleets.text import isolated

MANY: Final = 300  # devices that share something are counted up to here
LOST: Final = 1000  # those that were lost with it up to here


@dataclass(frozen=True)
class Shared:
    """What the devices of a group share, looked up."""

    place: str
    devices: QuerySet[Any]  # all that share it, each with `line`, to be counted
    fleet: str = ""
    query: tuple[tuple[str, str], ...] = ()


def shared(
    groups: Sequence[Line], devices: QuerySet[Device], fleets: Mapping[int, Fleet]
) -> dict[str, Shared]:
    """What each of these groups shares, by the id of its line; `fleets` by id."""
    keys = [int(line.key) for line in groups if line.kind == grouping.SERVER]
    servers = VpnServer.objects.in_bulk(keys) if keys else {}
    found = {line.id: _share(line, devices, fleets, servers) for line in groups}
    return {line: item for line, item in found.items() if item}


def totals(groups: Sequence[Line], found: Mapping[str, Shared]) -> dict[str, int]:
    """How many devices share each thing, up to MANY + 1, by the id of the line.

    Of groups by tag nobody asks: a page has many of them, and each has many devices.
    """
    lines = [line for line in groups if line.what and line.id in found]
    return _counted([found[line.id].devices for line in lines], MANY)


def lost_with(
    groups: Sequence[Line], devices: QuerySet[Device], found: Mapping[str, Shared], oldest: datetime | None
) -> dict[str, int]:
    """How many devices were lost with each group, where some of them may not have been looked at.

    `oldest`: when the status of the oldest one changed that was; None: all were.
    """
    lines = [line for line in groups if oldest and line.id in found and _beyond(line, oldest)]
    return _counted([_lost_with(line, devices, found) for line in lines], LOST)


def _beyond(line: Line, oldest: datetime) -> bool:
    """Whether devices that were lost with the group may be older: no status is older than the loss."""
    return bool(line.what) and (line.what == "progress" or line.last - grouping.TOGETHER <= oldest)


def _share(
    line: Line, devices: QuerySet[Device], fleets: Mapping[int, Fleet], servers: Mapping[int, VpnServer]
) -> Shared | None:
    """None where what they share was deleted a moment ago."""
    mine = devices.order_by().annotate(line=Value(line.id))
    if line.kind == grouping.SERVER:
        server = servers.get(int(line.key))
        words = of_site("{devices} on {vpn} server {server}", devices="{devices}", server=server)
        return Shared(words, mine.filter(vpn_server=server)) if server else None
    if line.kind == grouping.ADDRESS:
        return Shared(
            f"{{devices}} at {line.key}", mine.filter(public_address=line.key), query=(("q", line.key),)
        )
    if line.kind == grouping.TAG:
        key, _, value = line.key.partition("=")
        tagged = unchanging(mine, Filters(tags=(Tag(key, value),)))
        return Shared(f"{{devices}} tagged {key} = {value}", tagged, query=(("tag", line.key),))
    number, _, release = line.key.partition(" ")
    fleet = fleets.get(int(number))
    if fleet is None:
        return None
    if line.kind == grouping.RELEASE:
        running = unchanging(mine, Filters(fleets=(fleet,), releases=(release,)))
        return Shared(
            f"{{devices}} with release {isolated(release)} in {isolated(fleet)}",
            running,
            fleet.slug,
            (("release", release),),
        )
    counted = FleetCount.objects.filter(fleet=fleet).annotate(line=Value(line.id))
    return Shared(f"{{devices}} in {isolated(fleet)}", counted, fleet.slug)


def _lost_with(line: Line, devices: QuerySet[Device], found: Mapping[str, Shared]) -> QuerySet[Any]:
    """All devices that share what a group does and were lost in its five minutes, each with `line`."""
    if line.kind == grouping.FLEET:
        mine = devices.order_by().filter(fleet_id=int(line.key)).annotate(line=Value(line.id))
    else:
        mine = found[line.id].devices
    start = line.last - grouping.TOGETHER
    if line.what == "progress":  # by the index of these, which knows it to ten minutes
        mine = mine.filter(recorded_status__in=PROGRESSING, recorded_progress_at__gte=start - PROGRESS_KEPT)
        return mine.filter(progress_changed_at__range=(start, line.last))
    # By the index of what changed last: no status of these is older than the loss.
    mine = mine.filter(recorded_cell__in=incidents.TROUBLE, recorded_since__gte=start)
    return mine.filter(**{f"{MOMENTS.get(line.what, 'recorded_since')}__range": (start, line.last)})


MOMENTS: Final = {"vpn": "vpn_changed_at"}
PROGRESS_KEPT: Final = timedelta(minutes=10)


def _counted(groups: Sequence[QuerySet[Any]], most: int) -> dict[str, int]:
    """How many devices each of these has, by the id of the line, and no more than `most` + 1; one query."""
    parts = [_part(group, most) for group in groups]
    if not parts:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(sql for sql, _ in parts), [item for _, of in parts for item in of])
        return {line: int(number or 0) for line, number in cursor.fetchall()}


def _part(group: QuerySet[Any], most: int) -> Fragment:
    if group.model is FleetCount:
        return compiled(group.values_list("line").annotate(n=Sum("number")))
    sql, params = compiled(group.values_list("line")[: most + 1])
    return f"SELECT max(line), count(*) FROM ({sql}) AS first (line)", params  # noqa: S608 - Django's
