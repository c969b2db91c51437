"""What a rule would have told in the past: the same replay, over the changes of statuses that history keeps.

It begins with nothing held, so devices that were lost before are left out. What devices share, such as their
address, is as it is today.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from devices.alerts import changes, recorded
from devices.alerts.gathering import Gathering
from devices.alerts.learning import BY_STATUS
from devices.alerts.replay import Replay
from devices.listing.incidents import fleet_sizes
from devices.models import AlertRule, Incident

UNSAVED: Final = -1
MOST: Final = 200_000  # changes that are looked at, the newest
CHOSEN: Final = """
SELECT id, at FROM devices_statuschange
WHERE organization_id = %(organization)s AND at > %(since)s AND at <= %(until)s
ORDER BY at DESC, id DESC LIMIT %(most)s
"""


@dataclass(frozen=True)
class Rehearsed:
    """The incidents of a rule, none of which is recorded, the oldest first; and how many devices came back in
    time.
    """

    incidents: tuple[Incident, ...]
    came_back: int

    @property
    def sizes(self) -> list[int]:
        """How many devices each had at most, the largest first."""
        return sorted((incident.at_most for incident in self.incidents), reverse=True)

    def longest(self, until: datetime) -> timedelta:
        """How long the longest lasted, or has lasted by then."""
        lasted = ((incident.resolved_at or until) - incident.opened_at for incident in self.incidents)
        return max(lasted, default=timedelta())


def rehearse(rule: AlertRule, since: datetime, until: datetime) -> Rehearsed | None:
    """What this rule, which need not be saved, would have held in that time.

    None: it cannot be told, since no history keeps what its condition asks for.
    """
    if rule.condition not in BY_STATUS:
        return None
    asked = copy(rule)
    asked.pk = rule.pk or UNSAVED
    read = changes.read(CHOSEN, organization=rule.organization_id, since=since, until=until, most=MOST)
    there = Gathering({asked.pk: asked}, lambda *_: (), fleet_sizes)
    replay = Replay(there, recorded.away(since), lambda _: ())
    replay.play(changes.facts(read, [asked]), (), (), until)
    found = [incident for incident in replay.incidents.values() if incident.merged_into is None]
    found.sort(key=lambda incident: (incident.opened_at, incident.first))
    return Rehearsed(tuple(found), replay.came_back[asked.pk])
