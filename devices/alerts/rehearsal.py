"""What a rule would have told in the past: the replay of rounds, over what history keeps.

It begins with nothing held, so devices that were lost before are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection
from django.db.models import F

from devices.alerts import levels, past, recorded
from devices.alerts.gathering import Gathering
from devices.alerts.past_shares import Looks
from devices.alerts.replay import Replay
from devices.listing.grouping import Sizes
from devices.listing.incidents import fleet_sizes
from devices.models import AlertRule, Condition, Incident
from devices.words import counted, duration, full, of_site, thousands
from fleets.models import Fleet

UNSAVED: Final = -1
SHORT: Final = 20_000  # changes that take about a second
PARTS: Final = 20  # of the time, after each of which it says how far it is
SIZES: Final = 5  # incidents whose size is named
IMPOSSIBLE: Final = {
    Condition.STALLED: (
        "This rule cannot be rehearsed, since history does not keep when an update or a configuration made "
        "progress."
    ),
    Condition.VITALS: (
        "This rule cannot be rehearsed, since history does not keep what devices reported of memory, disk, "
        "temperature and power."
    ),
}
SELDOM: Final = (
    "This rule cannot be rehearsed, since history does not keep each poll, but only when a heartbeat was "
    "late. Some of its devices poll so seldom that they may be without contact for longer than the rule "
    "waits, and are not late."
)
NOTES: Final = {
    Condition.SILENT: (
        "History does not keep reports, so a device counts as silent from its last poll or {vpn} connect on. "
        "Devices of a source are left out."
    ),
    Condition.SHARE: "Which devices stood in incidents of other rules is as it is recorded.",
}
# What makes its rehearsal long: rows of the histories, counted up to so many.
OF_LINKS: Final = """
SELECT FROM devices_device d JOIN devices_connectivityrecord r ON r.device_id = d.id
WHERE d.organization_id = %(organization)s AND r.at > %(since)s AND r.at <= %(until)s LIMIT %(most)s
"""
COUNTED: Final = dict.fromkeys(Condition, past.CHOSEN) | {
    Condition.FLAPPING: OF_LINKS,
    Condition.SILENT: OF_LINKS,
    Condition.NEVER_CAME: "SELECT 1 WHERE false",
}
Progress = Callable[[int, int], None]  # so many changes of so many have been looked at


@dataclass(frozen=True)
class Rehearsed:
    """The incidents of a rule, none of which is recorded, the oldest first.

    `came_back`: devices that recovered within the delay; `flapped`: incidents in which a device recovered and
    was lost again within the hold. It looked at what happened after `since`, up to `until`; `cut`: there were
    more changes than are looked at, so that is later than was asked for.
    """

    incidents: tuple[Incident, ...]
    came_back: int
    flapped: int
    since: datetime
    until: datetime
    cut: bool

    @property
    def sizes(self) -> list[int]:
        """How many devices each had at most, the largest first."""
        return sorted((incident.at_most for incident in self.incidents), reverse=True)

    @property
    def longest(self) -> timedelta:
        """How long the longest lasted, or has lasted by the end."""
        lasted = ((one.resolved_at or self.until) - one.opened_at for one in self.incidents)
        return max(lasted, default=timedelta())

    @property
    def words(self) -> str:
        """All of it, as sentences."""
        return " ".join(self._sentences())

    def _sentences(self) -> Iterator[str]:
        if self.cut:
            yield f"It begins with {full(self.since)}, since there were very many changes."
        if not self.incidents:
            yield "The rule would have told nothing."
        else:
            yield counted(
                len(self.incidents),
                "The rule would have told 1 incident, of {sizes} at most.",
                "The rule would have told {n} incidents; the largest had {sizes} at most.",
                sizes=_sizes(self.sizes[:SIZES]),
            )
            yield f"The longest lasted {duration(self.longest)}."
        if self.flapped:
            yield counted(
                self.flapped,
                "In 1 of them a device recovered and was lost again within the hold.",
                "In {n} of them a device recovered and was lost again within the hold.",
            )
        if self.came_back:
            yield counted(
                self.came_back,
                "Once, a device recovered within the delay, so nobody would have been told.",
                "{n} times, a device recovered within the delay, so nobody would have been told.",
            )


def _sizes(sizes: list[int]) -> str:
    """The numbers of devices, as "38, 3 and 1 devices"."""
    others, devices = [thousands(size) for size in sizes[:-1]], counted(sizes[-1], "1 device", "{n} devices")
    return f"{', '.join(others)} and {devices}" if others else devices


def rehearse(
    rule: AlertRule, since: datetime, until: datetime, tell: Progress = lambda _done, _of: None
) -> Rehearsed | None:
    """What this rule, which need not be saved, would have held in that time. `tell` is told how far it is.

    None: it cannot be told (`impossible`).
    """
    if impossible(rule):
        return None
    asked = copy(rule)
    asked.pk = rule.pk or UNSAVED
    read = Looks if rule.condition == Condition.SHARE else past.read
    found: Looks | past.Past = read(asked, since, until)
    there = Gathering({asked.pk: asked}, lambda *_: (), _sizes_of_fleets(rule))
    away = recorded.away(found.since, until, found.devices, found.unseen_since)
    replay = Replay(there, away, lambda _: ())
    flapped = set[int]()  # incidents, by identity
    for part in range(1, PARTS + 1):
        end = found.since + (until - found.since) * part / PARTS
        found.play(replay, there, end)
        replay.play((), (), (), end)
        flapped |= {id(member.incident) for member in replay.let_go() if member.flaps}
        tell(sum(at <= end for at in found.moments), len(found.moments))
    incidents = [one for one in replay.incidents.values() if one.merged_into is None]
    incidents.sort(key=lambda incident: (incident.opened_at, incident.first))
    flapped |= {id(member.incident) for member in replay.members.values() if member.flaps}
    came_back = replay.came_back[asked.pk]
    return Rehearsed(tuple(incidents), came_back, len(flapped), found.since, until, found.cut)


def _sizes_of_fleets(rule: AlertRule) -> Sizes:
    """How many devices each fleet of the organization has, read once."""
    known = fleet_sizes(Fleet.objects.filter(organization=rule.organization_id).values_list("pk", flat=True))
    return lambda _: known


def impossible(rule: AlertRule) -> str:
    """Why history does not tell what its condition asks for, as a sentence; "": it does. One query."""
    if rule.condition == Condition.SILENT:
        seldom = F("poll__poll_interval") * 1.5
        longer = levels.longer_than(rule).total_seconds()
        return SELDOM if past.contacting(rule).annotate(late=seldom).filter(late__gt=longer).exists() else ""
    return IMPOSSIBLE.get(Condition(rule.condition), "")


def note(rule: AlertRule) -> str:
    """What to know of the rehearsal of a rule of its condition, in sentences, if anything."""
    return of_site(NOTES.get(Condition(rule.condition), ""))


def is_short(rule: AlertRule, since: datetime, until: datetime) -> bool:
    """Whether its rehearsal over that time takes about a second at most."""
    asked: dict[str, Any] = {
        "organization": rule.organization_id,
        "since": since,
        "until": until,
        "most": SHORT + 1,
    }
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM ({COUNTED[Condition(rule.condition)]}) AS few", asked)
        number: int = cursor.fetchone()[0]
    return number <= SHORT
