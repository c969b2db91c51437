"""What the devices of an incident share: in words, as an address of a list, and as a count of devices."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

from django.db import connection
from django.db.models import QuerySet, Sum, Value

from devices.listing import grouping
from devices.listing.filters import Filters, Tag, unchanging
from devices.listing.grouping import Line
from devices.listing.kept_totals import VERY_MANY
from devices.models import Device, FleetCount, VpnServer
from devices.words import of_site
from fleets.models import Fleet
from fleets.postgres.fragment import Fragment, compiled
from fleets.text import isolated

MANY: Final = 300  # devices that share something are counted up to here


@dataclass(frozen=True)
class Shared:
    """What the devices of a group share: `place` is a phrase with {devices}.

    `fleet` (a slug, or "" for all) and `query` are the address of the list of all devices that share it.
    """

    place: str
    devices: Callable[[], QuerySet[Any]]  # all that share it, each with `line`, to be counted
    fleet: str = ""
    query: tuple[tuple[str, str], ...] = ()


def shared(
    groups: Sequence[Line], devices: QuerySet[Device], fleets: Mapping[int, Fleet]
) -> dict[str, Shared]:
    """What each of these groups shares, by the id of its line; `fleets` by primary key.

    A group whose server or fleet was deleted meanwhile is left out.
    """
    keys = [int(line.key) for line in groups if line.kind == grouping.SERVER]
    servers = VpnServer.objects.in_bulk(keys) if keys else {}
    found = {line.id: _share(line, devices, fleets, servers) for line in groups}
    return {line: item for line, item in found.items() if item}


def totals(
    groups: Sequence[Line], devices: QuerySet[Device], found: Mapping[str, Shared], at: datetime
) -> dict[str, int]:
    """How many devices share each thing, up to MANY + 1, by the id of the line.

    Of groups by tag nobody asks: a page has many of them, and each has many devices.
    """
    if not groups:  # of devices that nobody may have, either
        return {}
    scope = str(compiled(devices.order_by().values("pk")))
    things = {line.id: (scope, line.kind, line.key) for line in groups if line.what and line.id in found}
    known = {line: MANY + 1 for line, thing in things.items() if VERY_MANY.knows(thing, at)}
    counted = _counted([found[line].devices() for line in things if line not in known])
    for line, number in counted.items():
        if number > MANY:
            VERY_MANY.note(things[line], at)
    return known | counted


def _share(
    line: Line, devices: QuerySet[Device], fleets: Mapping[int, Fleet], servers: Mapping[int, VpnServer]
) -> Shared | None:
    """None where what they share was deleted a moment ago."""

    def mine(filters: Filters, **conditions: object) -> QuerySet[Any]:
        return unchanging(devices.order_by().annotate(line=Value(line.id)).filter(**conditions), filters)

    if line.kind == grouping.SERVER:
        server = servers.get(int(line.key))
        words = of_site("{devices} on {vpn} server {server}", devices="{devices}", server=server)
        return Shared(words, partial(mine, Filters(), vpn_server=server)) if server else None
    if line.kind == grouping.ADDRESS:
        there = partial(mine, Filters(), public_address=line.key)
        return Shared(f"{{devices}} at {line.key}", there, query=(("q", line.key),))
    if line.kind == grouping.TAG:
        key, _, value = line.key.partition("=")
        tagged = partial(mine, Filters(tags=(Tag(key, value),)))
        return Shared(f"{{devices}} tagged {key} = {value}", tagged, query=(("tag", line.key),))
    number, _, release = line.key.partition(" ")
    fleet = fleets.get(int(number))
    if fleet is None:
        return None
    if line.kind == grouping.RELEASE:
        words = f"{{devices}} with release {isolated(release)} in {isolated(fleet)}"
        running = partial(mine, Filters(fleets=(fleet,), releases=(release,)))
        return Shared(words, running, fleet.slug, (("release", release),))
    counts = FleetCount.objects.filter(fleet=fleet).annotate(line=Value(line.id))
    return Shared(f"{{devices}} in {isolated(fleet)}", counts.all, fleet.slug)


def _counted(groups: Sequence[QuerySet[Any]]) -> dict[str, int]:
    """How many devices each of these has, by the id of the line, and no more than MANY + 1; one query."""
    parts = [_part(group) for group in groups]
    if not parts:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(sql for sql, _ in parts), [item for _, of in parts for item in of])
        return {line: int(number or 0) for line, number in cursor.fetchall()}


def _part(group: QuerySet[Any]) -> Fragment:
    if group.model is FleetCount:
        return compiled(group.values_list("line").annotate(n=Sum("number")))
    sql, params = compiled(group.values_list("line")[: MANY + 1])
    return f"SELECT max(line), count(*) FROM ({sql}) AS first (line)", params
