"""What a rule would have told in the past: the same replay, over the changes of statuses that history keeps.

It begins with nothing held, so devices that were lost before are left out. What devices share, such as their
address, is as it is today.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection

from devices.alerts import changes, recorded
from devices.alerts.gathering import Gathering
from devices.alerts.learning import BY_STATUS
from devices.alerts.lifecycle import Fact
from devices.alerts.replay import Replay
from devices.listing.incidents import fleet_sizes
from devices.models import AlertRule, Incident
from devices.words import counted, duration, full, thousands

UNSAVED: Final = -1
MOST: Final = 200_000  # changes that are looked at, the newest
SHORT: Final = 20_000  # changes that take about a second
PARTS: Final = 20  # of the time, after each of which it says how far it is
SIZES: Final = 5  # incidents whose size is named
CHOSEN: Final = """
SELECT id, at FROM devices_statuschange
WHERE organization_id = %(organization)s AND at > %(since)s AND at <= %(until)s
ORDER BY at DESC, id DESC LIMIT %(most)s
"""
Progress = Callable[[int, int], None]  # so many changes of so many have been looked at


@dataclass(frozen=True)
class Rehearsed:
    """The incidents of a rule, none of which is recorded, the oldest first.

    `came_back`: devices that recovered within the delay; `flapped`: incidents in which a device recovered and
    was lost again within the hold. It looked at what happened after `since`, up to `until`; `cut`: there were
    more changes than MOST, so that is later than was asked for.
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
            yield f"It begins with {full(self.since)}, since there were very many changes of statuses."
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

    None: it cannot be told, since no history keeps what its condition asks for.
    """
    if not can_be_rehearsed(rule):
        return None
    asked = copy(rule)
    asked.pk = rule.pk or UNSAVED
    read = changes.read(CHOSEN, **_scope(rule, since, until), most=MOST)
    cut = len(read) == MOST
    since = min(change.at for change in read) if cut else since
    away = recorded.away(since, until, {change.device for change in read})
    replay = Replay(Gathering({asked.pk: asked}, lambda *_: (), fleet_sizes), away, lambda _: ())
    facts: list[Fact] = list(changes.facts(read, [asked]))
    for part in range(1, PARTS + 1):
        end = since + (until - since) * part / PARTS
        replay.play(facts if part == 1 else (), (), (), end)
        tell(sum(change.at <= end for change in read), len(read))
    found = [incident for incident in replay.incidents.values() if incident.merged_into is None]
    found.sort(key=lambda incident: (incident.opened_at, incident.first))
    flapped = {id(member.incident) for member in replay.members.values() if member.flaps}
    return Rehearsed(tuple(found), replay.came_back[asked.pk], len(flapped), since, until, cut)


def can_be_rehearsed(rule: AlertRule) -> bool:
    """Whether history keeps what its condition asks for."""
    return rule.condition in BY_STATUS


def is_short(rule: AlertRule, since: datetime, until: datetime) -> bool:
    """Whether its rehearsal over that time takes about a second at most."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(*) FROM ({CHOSEN}) AS few", {**_scope(rule, since, until), "most": SHORT + 1}
        )
        number: int = cursor.fetchone()[0]
    return number <= SHORT


def _scope(rule: AlertRule, since: datetime, until: datetime) -> dict[str, Any]:
    return {"organization": rule.organization_id, "since": since, "until": until}
