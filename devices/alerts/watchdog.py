"""Telling somebody outside, each minute, that alerts work; who misses it knows that they do not."""

from __future__ import annotations

import logging
import threading
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db.models import QuerySet

from devices.alerts import outbound
from devices.models import AlertMessage, AlertTarget, Teller

logger = logging.getLogger(__name__)

EACH: Final = timedelta(seconds=60)
CONCLUDED: Final = timedelta(seconds=30)  # ago, at most, the last round decided
UNSENT: Final = timedelta(minutes=15)  # that a message may wait


class Watchdog:
    """Calls WATCHDOG_URL each minute while alerts work; without the setting it does nothing."""

    def __init__(self) -> None:
        self.called_at: datetime | None = None

    def look(self, at: datetime) -> bool:
        """Call it if it is time and alerts work, in a thread of its own; returns whether it was called."""
        if not settings.WATCHDOG_URL or (self.called_at and at < self.called_at + EACH) or not works(at):
            return False
        self.called_at = at
        threading.Thread(target=call, args=[settings.WATCHDOG_URL], daemon=True).start()
        return True


def works(at: datetime) -> bool:
    """Whether a round has just decided, and no message waits too long for a target that takes them."""
    decided = Teller.objects.filter(concluded_at__gt=at - CONCLUDED)
    return decided.exists() and not overdue(at).exists()


def overdue(at: datetime) -> QuerySet[AlertMessage]:
    """The messages that have waited for more than UNSENT, for targets that take messages."""
    waiting = AlertMessage.objects.filter(outcome="", created_at__lte=at - UNSENT, target__enabled=True)
    return waiting.exclude(target__state=AlertTarget.State.PAUSED)


def call(url: str) -> None:
    """Call it once. What comes of it is only logged: it is missed there, which is what it is for."""
    try:
        answer = outbound.send(outbound.Request(url, method="GET"), anywhere=True)
    except (outbound.NotAllowed, outbound.Unreachable) as error:
        logger.warning("the watchdog could not be called: %s", error)
    else:
        if answer.status >= 400:
            logger.warning("the watchdog answered %s", answer.status)
