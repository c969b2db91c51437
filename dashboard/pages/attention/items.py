"""What the Attention page says of each line: its words, the devices behind it, and where all of them are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Any, Final

from django.db import connection
from django.db.models import QuerySet, Sum, Value

from dashboard.pages.parts.device_row import Row, row_of
from devices.clock import Moment
from devices.listing import grouping, incidents
from devices.listing.filters import Filters, Tag, unchanging
from devices.listing.grouping import Line
from devices.models import Device, FleetCount, VpnServer
from devices.rules.vocabulary import PROGRESSING, RANKS, Status
from devices.status.reading import as_recorded, with_status
from devices.words import of_site, thousands
from fleets.models import Fleet
from fleets.postgres.fragment import Fragment, compiled
from fleets.text import apart

MANY: Final = 1000  # devices that share something are counted up to here


@dataclass(frozen=True)
class Item:
    """A line as it is shown: devices lost together, or one device alone (`number` 1).

    `place` names {devices} by what they share, `what` is the sentence about them, `fleet` and `query` say
    where the list of them all is: of one fleet, or of all.
    """

    id: str
    number: int
    since: datetime
    rows: tuple[Row, ...]
    status: str = ""  # of the worst, where not stalled
    of: int | None = None  # devices that share it; None: very many
    place: str = ""
    what: str = ""
    fleet: str = ""
    query: tuple[tuple[str, str], ...] = ()

    @property
    def alone(self) -> bool:
        return not self.place

    @property
    def said(self) -> str:
        """The sentence about its devices."""
        devices = f"{thousands(self.number)} devices"
        if self.of is not None:
            devices = f"{thousands(self.number)} of {thousands(self.of)} devices"
        return self.what.replace("{devices}", self.place.replace("{devices}", devices))

    @property
    def others(self) -> int:
        """Devices besides the three that are named at once."""
        return self.number - 3

    @property
    def more(self) -> int:
        """Devices that are not named."""
        return self.number - len(self.rows)


@dataclass(frozen=True)
class Shared:
    """What the devices of a group share, looked up."""

    place: str
    devices: QuerySet[Any]  # all that share it, each with `line`, to be counted
    fleet: str = ""
    query: tuple[tuple[str, str], ...] = ()


def items(
    lines: Sequence[Line],
    devices: QuerySet[Device],
    at: Moment,
    moved: Sequence[int],
    *,
    complete: bool = True,
) -> list[Item]:
    """These lines with everything that is said of them; `devices` are those that the page is about.

    Not `complete`: more need attention than were looked at, so the devices of a group are counted anew.
    """
    annotated = with_status if moved else as_recorded
    named = annotated(devices.filter(pk__in={pk for line in lines for pk in line.devices}), at)
    rows = {device.pk: row_of(device) for device in named.select_related("fleet")}
    shared = _shared([line for line in lines if line.kind], devices)
    totals = _counted(each.devices for each in shared.values())
    numbers = {} if complete else _counted(_lost_with(line, devices, shared) for line in lines if line.kind)
    found = []
    for line in lines:
        there = tuple(rows[pk] for pk in line.devices if pk in rows)
        if line.id in shared:
            number = max(line.number, numbers.get(line.id, 0))
            found.append(_group(line, shared[line.id], number, totals.get(line.id, 0), there))
        elif there:
            found.append(Item(line.id, 1, line.newest, there, status=there[0].status))
    return found


def _group(line: Line, shared: Shared, number: int, total: int, rows: tuple[Row, ...]) -> Item:
    status = RANKS[line.rank]
    return Item(
        id=line.id,
        number=number,
        since=line.first,
        rows=rows,
        status=status.value if status else "",
        of=max(total, number) if total <= MANY else None,
        place=shared.place,
        what=what_happened(line, number),
        fleet=shared.fleet,
        query=(*shared.query, *(("status", each.value) for each in _statuses(line, rows))),
    )


def _statuses(line: Line, rows: Iterable[Row]) -> list[Status]:
    """The statuses that its devices have, for the list that shows them."""
    named = {Status(row.status) for row in rows}
    worst = {each for each, n in zip(RANKS, line.numbers, strict=False) if each and n}
    return [each for each in Status if each in named | worst]


def what_happened(line: Line, number: int) -> str:
    """What befell {devices}, so many, and how they are now, as a sentence."""
    offline, heartbeat_only, vpn_only, _ = line.numbers
    kept = heartbeat_only if line.what == "vpn" else 0
    now = {"offline": offline, "heartbeat": kept, "vpn": vpn_only}
    found = [state for state, n in now.items() if n]
    state, values = "", {"devices": "{devices}", "span": _within(line.last - line.first)}
    if len(found) == 1 and now[found[0]] == line.number:
        state = found[0]
    elif number == line.number and found:  # else nobody looked at how the others are
        state, values["counts"] = (
            "mixed",
            ", ".join(of_site(COUNTS[each], n=thousands(now[each])) for each in found),
        )
    return of_site(SENTENCES[line.what].get(state, SENTENCES[line.what][""]), **values)


COUNTS: Final = {
    "offline": "{n} are Offline",
    "heartbeat": "{n} kept the heartbeat",
    "vpn": "{n} kept the {vpn}",
}
SENTENCES: Final = {
    "vpn": {
        "": "{devices} lost the {vpn} within {span}",
        "offline": "{devices} lost the {vpn} within {span} and are Offline",
        "heartbeat": "{devices} lost the {vpn} within {span} and kept the heartbeat",
        "mixed": "{devices} lost the {vpn} within {span} ({counts})",
    },
    "heartbeat": {
        "": "{devices} lost the API heartbeat within {span}",
        "offline": "{devices} lost the API heartbeat within {span} and are Offline",
        "vpn": "{devices} lost the API heartbeat within {span} and kept the {vpn}",
        "mixed": "{devices} lost the API heartbeat within {span} ({counts})",
    },
    "never": {
        "": "{devices} connected without {vpn} within {span}",
        "offline": "{devices} connected without {vpn} within {span} and are Offline",
        "mixed": "{devices} connected without {vpn} within {span} ({counts})",
    },
    "progress": {
        "": "{devices} stopped making progress within {span}",
        "mixed": "{devices} stopped making progress within {span} ({counts})",
    },
}


def _shared(groups: Sequence[Line], devices: QuerySet[Device]) -> dict[str, Shared]:
    """What each of these groups shares, by the id of its line."""
    keys = {kind: [line.key for line in groups if line.kind == kind] for kind in range(1, 7)}
    of_fleets = {int(key.split()[0]) for key in (*keys[grouping.FLEET], *keys[grouping.RELEASE])}
    fleets = Fleet.objects.in_bulk(of_fleets) if of_fleets else {}
    servers = VpnServer.objects.in_bulk(map(int, keys[grouping.SERVER])) if keys[grouping.SERVER] else {}
    found = {line.id: _share(line, devices, fleets, servers) for line in groups}
    return {line: shared for line, shared in found.items() if shared}


def _share(
    line: Line, devices: QuerySet[Device], fleets: dict[int, Fleet], servers: dict[int, VpnServer]
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
            f"{{devices}} with release {apart(release)} in {apart(fleet)}",
            running,
            fleet.slug,
            (("release", release),),
        )
    counted = FleetCount.objects.filter(fleet=fleet).annotate(line=Value(line.id))
    return Shared(f"{{devices}} in {apart(fleet)}", counted, fleet.slug)


def _within(span: timedelta) -> str:
    """How long it took at most: "90 s", "3 min"; rounded up, so that it is true."""
    seconds = max(1, ceil(span.total_seconds()))
    return f"{seconds}\u00a0s" if seconds < 2 * 60 else f"{ceil(seconds / 60)}\u00a0min"


def _lost_with(line: Line, devices: QuerySet[Device], shared: dict[str, Shared]) -> QuerySet[Any]:
    """All devices that share what a group does and were lost in its five minutes, each with `line`."""
    if line.id not in shared:
        return devices.none()
    if line.kind == grouping.FLEET:
        mine = devices.order_by().filter(fleet_id=int(line.key)).annotate(line=Value(line.id))
    else:
        mine = shared[line.id].devices
    start = line.last - grouping.TOGETHER
    if line.what == "progress":  # by the index of these, which knows it to ten minutes
        mine = mine.filter(recorded_status__in=PROGRESSING, recorded_progress_at__gte=start - PROGRESS_KEPT)
        return mine.filter(progress_changed_at__range=(start, line.last))
    # By the index of what changed last: no status of these is older than the loss.
    mine = mine.filter(recorded_cell__in=incidents.TROUBLE, recorded_since__gte=start)
    return mine.filter(**{f"{MOMENTS.get(line.what, 'recorded_since')}__range": (start, line.last)})


MOMENTS: Final = {"vpn": "vpn_changed_at"}
PROGRESS_KEPT: Final = timedelta(minutes=10)


def _counted(groups: Iterable[QuerySet[Any]]) -> dict[str, int]:
    """How many devices each of these has, by the id of the line, and no more than MANY + 1; one query."""
    parts = [_part(each) for each in groups]
    if not parts:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(sql for sql, _ in parts), [each for _, of in parts for each in of])
        return {line: int(number or 0) for line, number in cursor.fetchall()}


def _part(group: QuerySet[Any]) -> Fragment:
    if group.model is FleetCount:
        return compiled(group.values_list("line").annotate(n=Sum("number")))
    sql, params = compiled(group.values_list("line")[: MANY + 1])
    return f"SELECT max(line), count(*) FROM ({sql}) AS first (line)", params  # noqa: S608 - Django's
