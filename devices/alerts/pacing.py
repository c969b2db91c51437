"""How fast a target is sent messages, and when several become one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from devices.alerts.attempts import GIVE_UP
from devices.alerts.transports import TRANSPORTS, Kind
from devices.models import AlertMessage, AlertTarget

BURST: Final = 5  # messages at once,
BURST_SPAN: Final = timedelta(seconds=5)  # and one a second after that
HOUR: Final = timedelta(hours=1)
BUNDLES: Final = timedelta(minutes=5)  # between two bundles


@dataclass(frozen=True)
class Pace:
    """From when on the next message may be sent, and whether it is a bundle of all that are due."""

    sends_from: datetime
    bundles: bool = False


def pace_of(target: AlertTarget, at: datetime) -> Pace:
    """The pace of a target now, by what it has accepted in the last hour. One query."""
    sent = _sent(target, at)
    most = TRANSPORTS[Kind(target.kind)].most_in_hour
    if most is not None and len(sent) >= most:
        return Pace(sent[-1] + BUNDLES, bundles=True)
    lately = [one for one in sent if one > at - BURST_SPAN]
    return Pace(lately[-BURST] + BURST_SPAN if len(lately) >= BURST else at)


def _sent(target: AlertTarget, at: datetime) -> list[datetime]:
    """When it accepted something in the last hour; several that were one bundle are one."""
    messages = AlertMessage.objects.filter(target=target, created_at__gt=at - GIVE_UP - HOUR)
    accepted = messages.filter(outcome=AlertMessage.Outcome.ACCEPTED, accepted_at__gt=at - HOUR)
    moments = accepted.exclude(kind=AlertMessage.Kind.TEST).order_by("accepted_at")
    return [one for one in moments.values_list("accepted_at", flat=True).distinct() if one]
