"""How long it takes from a pulled plug until a message can arrive: the form of a rule says it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from typing import Final

from django.conf import settings
from django.db.models import QuerySet
from django.db.models.functions import Coalesce

from devices.advice import KEEP_ALIVE
from devices.alerts.parameters import LongerThan, OfStatus
from devices.alerts.rule_values import Wanted
from devices.models import Condition, Device
from devices.rules.vocabulary import OVERDUE_AFTER, Status

NOW: Final = timedelta()


@dataclass(frozen=True)
class Span:
    """The soonest and the latest that something can come after a plug is pulled."""

    soonest: timedelta
    latest: timedelta

    def plus(self, more: timedelta) -> Span:
        """Both so much later."""
        return Span(self.soonest + more, self.latest + more)


@dataclass(frozen=True)
class Links:
    """How devices report: their poll intervals in seconds, and whether any and all of them use the VPN."""

    intervals: Collection[int]
    some_vpn: bool
    all_vpn: bool


def links_of(devices: QuerySet[Device]) -> Links:
    """How these devices report; one query."""
    interval = Coalesce("poll_interval", "fleet__poll_interval", settings.POLL_INTERVAL)
    found = set(devices.order_by().annotate(every=interval).values_list("every", "vpn_enabled").distinct())
    uses = {vpn for _, vpn in found}
    return Links({every for every, _ in found}, True in uses, uses == {True})


def message_after(wanted: Wanted, links: Links) -> Span | None:
    """From the plug of one device of the rule's to its first message; None: a plug does not lead to one."""
    noticed = _noticed(wanted, links) if links.intervals else None
    return noticed and noticed.plus(wanted.delay + wanted.gather)


def _noticed(wanted: Wanted, links: Links) -> Span | None:
    lost = _heartbeat_lost(links.intervals)
    if isinstance(wanted.parameters, OfStatus):
        if Status.OFFLINE not in wanted.parameters.statuses:
            return None
        return Span(lost.soonest, max(lost.latest, KEEP_ALIVE)) if links.some_vpn else lost
    if wanted.condition == Condition.TOGETHER:
        if links.all_vpn:
            return Span(NOW, KEEP_ALIVE)
        return Span(NOW if links.some_vpn else lost.soonest, lost.latest)
    if wanted.condition == Condition.SILENT and isinstance(wanted.parameters, LongerThan):
        silent = timedelta(seconds=wanted.parameters.seconds)
        return Span(max(NOW, silent - _oldest_contact(links.intervals)), silent)
    return None


def _heartbeat_lost(intervals: Collection[int]) -> Span:
    """A heartbeat is lost 1.5 intervals and the grace after the last poll, which may be just or long ago."""
    grace = timedelta(seconds=settings.HEARTBEAT_GRACE)
    ends = [(every, timedelta(seconds=ceil(1.5 * every)) + grace) for every in intervals]
    return Span(
        min(max(NOW, end - _oldest_contact([every])) for every, end in ends), max(end for _, end in ends)
    )


def _oldest_contact(intervals: Collection[int]) -> timedelta:
    """How long ago the last poll of a device that is well may be."""
    return timedelta(seconds=max(intervals)) + OVERDUE_AFTER
