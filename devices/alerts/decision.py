"""The told principle: which message follows from what a target knows of an incident and what is so now.

A message is written exactly when the two differ. Nothing here reads or writes anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from devices.models import AlertMessage, Told

Kind = AlertMessage.Kind

AT_ONCE: Final = 50  # devices: the first message waits no longer
APART: Final = timedelta(minutes=5)  # between two updates
GROWN_BY: Final = 5  # devices, and
GROWN_SHARE: Final = 5  # a fifth of those that were told


@dataclass(frozen=True)
class Known:
    """What the last message to a target said, as of when; `state` acknowledged or firing or resolved."""

    state: Told.State
    members: int
    rank: int
    at: datetime
    delivered: bool = True  # or on its way; not where it was refused or given up
    digest: bool = False  # it was part of one


@dataclass(frozen=True, kw_only=True)
class Now:
    """How an incident is, for one target."""

    over: bool
    members: int
    rank: int  # of the worst status; less is worse
    acknowledged: bool
    tell_at: datetime  # end of gathering
    tells_recovery: bool = True
    repeat: timedelta | None = None


@dataclass(frozen=True)
class Decision:
    """The message to write, and why; or none, and when to ask again (None: when something changes)."""

    kind: Kind | None = None
    reason: str = ""
    again_at: datetime | None = None


NOTHING: Final = Decision()


def grown(before: int, now: int) -> bool:
    """Whether so many devices are worth another message to somebody who knows of so many before."""
    return now >= before + max(GROWN_BY, -(-before // GROWN_SHARE))


def decide(known: Known | None, now: Now, at: datetime) -> Decision:
    """What to tell at this moment. `known` None: nothing was written to the target yet."""
    if known is None:
        return NOTHING if now.over else _first(now, at)
    if known.state == Told.State.RESOLVED:
        return NOTHING
    if now.over:
        return Decision(Kind.RESOLVED, "resolved") if known.delivered and now.tells_recovery else NOTHING
    if now.acknowledged:
        return NOTHING if known.state == Told.State.ACKNOWLEDGED else Decision(Kind.ACKNOWLEDGED, "taken-on")
    if known.state == Told.State.ACKNOWLEDGED:
        return Decision(Kind.UPDATE, "outgrown" if grown(known.members, now.members) else "open-again")
    return _update(known, now, at)


def _first(now: Now, at: datetime) -> Decision:
    if at >= now.tell_at or now.members >= AT_ONCE:
        return Decision(Kind.FIRST, "fired")
    return Decision(again_at=now.tell_at)


def _update(known: Known, now: Now, at: datetime) -> Decision:
    worse = now.rank < known.rank
    if worse or grown(known.members, now.members):
        if at < known.at + APART:
            return Decision(again_at=known.at + APART)
        return Decision(Kind.UPDATE, "worse" if worse else "grew")
    if now.repeat is None:
        return NOTHING
    if at >= known.at + now.repeat:
        return Decision(Kind.REMINDER, "still")
    return Decision(again_at=known.at + now.repeat)
