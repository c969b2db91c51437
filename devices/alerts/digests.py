"""Digests: people who are told once a day of what began, what is still open and what ended.

What they follow so is held until their hour, and then written as messages that are sent as one mail. So what
a digest tells follows from what its target knows, as with any message, and it is delivered as any message is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from django.conf import settings

from devices.alerts import wall_time
from devices.alerts.decision import NOTHING, Decision, Known, Now
from devices.alerts.holds import UNKNOWN, Hold, Holds
from devices.alerts.hours import Hours
from devices.models import AlertMessage, AlertTarget, Held, Incident

if TYPE_CHECKING:
    from fleets.actor import Person

Kind = AlertMessage.Kind
REASON: Final = Held.Reason.DIGEST
DAY: Final = timedelta(days=1)


@dataclass(frozen=True)
class Daily:
    """An hour of each day, 0 to 23, by the clocks of a zone."""

    hour: int
    zone: str

    def next(self, at: datetime, quiet: Hours | None) -> datetime | None:
        """The first such moment after `at`; one in quiet hours is their end instead. None: they never end."""
        return next((moment for moment in self._near(at, quiet) if moment and moment > at), None)

    def _near(self, at: datetime, quiet: Hours | None) -> Iterator[datetime | None]:
        zone = ZoneInfo(self.zone)
        today = at.astimezone(zone).date()
        for number in range(-8, 9):  # quiet hours may last for a week
            moment = wall_time.placed(datetime.combine(today + number * DAY, time(self.hour)), zone)
            yield quiet.next_change(moment) if quiet and quiet.include(moment) else moment


def zone_of(person: Person) -> str:
    """By whose clocks a person is told: their own zone, else the site's."""
    return getattr(person, "time_zone", "") or settings.TIME_ZONE


def waits(kept: Held | None) -> bool:
    """Whether what is held waits for a digest."""
    return kept is not None and kept.reason == REASON


def until_digest(holds: Holds, target: AlertTarget, daily: Daily, kept: Held | None) -> Hold | None:
    """Until when a target waits for its digest; None: it is written now. `kept`: what is held now.

    Where nothing can be sent, an outage of ours puts it off until it is over, a paused target until the next
    one.
    """
    at = holds.at.at
    has_come = kept is not None and waits(kept) and kept.until is not None and kept.until <= at
    if has_come and not holds.paused(target):
        return Hold(REASON, at + UNKNOWN) if holds.at.in_outage else None
    return next_digest(holds, target, daily)


def next_digest(holds: Holds, target: AlertTarget, daily: Daily) -> Hold:
    """That a target waits for its next digest."""
    quiet = holds.quiet.get(target.person_id or 0)
    weekly = Hours(quiet.zone, quiet.weekly) if quiet else None
    return Hold(REASON, daily.next(holds.at.at, weekly))


def decided(decision: Decision, known: Known | None, now: Now, kept: Held | None) -> Decision:
    """What a digest tells, where `decision` is what one would be told as it happens.

    It tells also of what began and ended since the last one, and each day of what is still open.
    """
    if known is None and now.over:
        return Decision(Kind.RESOLVED, "resolved") if waits(kept) else NOTHING
    if decision.kind is None and known is not None and not now.over:
        return Decision(Kind.ACKNOWLEDGED if now.acknowledged else Kind.REMINDER, "still")
    return decision


def reconsider(person: int, organization: int, at: datetime) -> None:
    """Have the next round decide anew about what waits for the digest of a person; by primary keys."""
    own = AlertTarget.objects.filter(organization=organization, person_id=person)
    waiting = Held.objects.filter(target__in=own, reason=REASON)
    Incident.objects.filter(pk__in=waiting.values("incident")).update(look_at=at)
